"""The figures of results in plain words, as tables on a terminal show them. JSON has their names."""

from collections.abc import Mapping

CLASSIFY = {
    "accuracy_tta": "accuracy",
    "accuracy": "accuracy, one view of each picture",
    "accuracy_interval": "accuracy, 95 % interval",
    "nll": "surprise at the true class, nats",
    "ece": "mean gap between probability and accuracy",
    "ece_uncalibrated": "the same before calibration",
    "macro_f1": "mean over classes of F1",
    "macro_recall": "mean over classes of the share recognised",
    "abstain_threshold": "abstains below the probability",
    "coverage": "share of pictures answered",
    "prior": "probabilities are for class frequencies",
    "selective_accuracy": "accuracy of these answers",
    "promised_accuracy": "shown when calibrated: at least",
    "cross_validated": "cross-validated on the training,",
    "unlike_training": "share unlike the training pictures",
    "recall": "share recognised",
    "precision": "right when answered",
    "f1": "F1, of both",
    "n": "pictures",
}
DETECT = {
    "fpr_target": "false alarms, target",
    "fpr_realised": "false alarms, measured",
    "fpr_interval": "false alarms, 95 % interval",
    "normal": "normal sequences",
    "abnormal": "abnormal sequences",
    "mean_surprisal": "mean surprisal, nats per event",
    "events_per_second": "events per second",
    "precision": "alerts that are right",
    "recall": "share detected",
    "f1": "F1, of both",
    "auc": "AUC: abnormal above normal",
    "auc_distinct": "AUC of distinct sequences",
    "distinct": "distinct sequences",
    "tpr_at_fpr": "detected at false alarms of",
    "recent": "most recent sequences,",
    "reading": "lines of the log,",
    "n": "sequences",
}
GENERATE = {
    "elbo_nats": "bound of −ln p, nats per picture",
    "reconstruction_nats": "of these: pixels given the latents",
    "kl_nats": "of these: information in the latents",
    "active_units": "latent numbers that carry information",
    "units": "latent numbers",
    "collapsed": "latents carry no information",
    "likelihood": "distribution of the pixels",
    "bits_per_dim": "bits per level",
    "binarisation": "pixels made black or white by",
    "iw_nats": "estimate of −ln p, nats per picture",
    "iw_samples": "samples per picture of the estimate",
    "iw_n": "pictures of the estimate",
    "nearest_ratio": "distance to training over held-out pictures",
    "nearest_ratio_of_real": "the same of real pictures",
    "copied": "share of copies",
    "copied_expected": "share of copies among real pictures",
    "memorised": "makes copies of training pictures",
    "checked": "generated pictures checked",
}
WORDS: Mapping[str, Mapping[str, str]] = {"classify": CLASSIFY, "detect": DETECT, "generate": GENERATE}


def in_words(task: str, name: str) -> str:
    """A figure of a task in words; an unknown one by its name."""
    return WORDS.get(task, {}).get(name, name.replace("_", " "))
