"""Measures that know no task: ROC curves, conformal p-values, realism of pictures, copies among them."""
