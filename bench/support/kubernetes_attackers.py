"""Attackers of a Kubernetes cluster, made after public descriptions; each writes one attack to the log.

An attacker has the cluster, whose accounts it uses; the log; the time at which it begins; and the kind of its attack.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.detect.suites import Attack, Log

if TYPE_CHECKING:
    from bench.detect.suite_kubernetes import Caller, Cluster

Attacker = Callable[["Cluster", Log, float, str], None]

AGENTS = ("curl/7.88.1", "kubectl/v1.30.0 (linux/amd64) kubernetes/7c48c2b", "python-requests/2.31.0", "peirates/1.1")
NAMESPACES = ("shop", "pay", "data", "ci", "monitoring", "kube-system", "cert-manager", "default")
SYSTEM_ACCOUNTS = (
    "clusterrole-aggregation-controller",
    "generic-garbage-collector",
    "namespace-controller",
    "daemon-set-controller",
    "cluster-autoscaler",
)
KINDS = ("pods", "services", "deployments", "configmaps", "secrets", "ingresses", "roles", "serviceaccounts")


def stolen(cluster: "Cluster", log: Log, now: float, kind: str) -> tuple["Caller", Attack, str]:
    """The account of a workload, used from inside its pod with the attacker's own tool."""
    namespace, app = cluster.draw.choice(list(cluster.pods))
    caller = cluster.caller(log, cluster.account(namespace, app), now)
    caller.agent = cluster.draw.choice(AGENTS)
    return caller, log.attack(kind, caller.user), namespace


def phished(cluster: "Cluster", log: Log, now: float, kind: str) -> tuple["Caller", Attack, str]:
    """The account of a developer; half of the time from the developer's own machine and tool."""
    who = cluster.draw.choice(list(cluster.developers))
    caller = cluster.person(log, who, now)
    if cluster.draw.random() < 0.5:
        caller.address, caller.agent = f"203.0.113.{cluster.draw.randint(1, 254)}", AGENTS[1]
    return caller, log.attack(kind, caller.user), cluster.developers[who]


def any_pod(cluster: "Cluster") -> tuple[str, str]:
    """Namespace and name of a pod."""
    namespace, app = cluster.draw.choice(list(cluster.pods))
    return namespace, cluster.draw.choice(cluster.pods[namespace, app])


def exec_into_pods(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """Commands in the pods of other teams."""
    caller, attack, own = phished(cluster, log, now, kind)
    for namespace in cluster.draw.sample([each for each in ("shop", "pay", "data") if each != own], 2):
        caller.call("list", "pods", "", namespace, attack=attack)
        pods = [pod for (where, _), names in cluster.pods.items() if where == namespace for pod in names]
        for pod in cluster.draw.sample(pods, cluster.draw.randint(1, 3)):
            caller.wait(30)
            caller.call("create", "pods/exec", pod, namespace, 101, attack)


def list_secrets(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    caller, attack, _ = stolen(cluster, log, now, kind)
    for namespace in cluster.draw.sample(NAMESPACES, cluster.draw.randint(3, 8)):
        caller.call("list", "secrets", "", namespace, attack=attack)
        caller.wait(3)
    for name in ("bank", "backup-key", "deployer-token"):
        caller.call("get", "secrets", name, "pay" if name == "bank" else "data", attack=attack)


def anonymous(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """Without an account; what may be read shows in the codes."""
    caller = cluster.caller(log, "system:anonymous", now, cluster.draw.choice(AGENTS))
    caller.address = f"203.0.113.{cluster.draw.randint(1, 254)}"
    attack = log.attack(kind, caller.user)
    for path in ("/api", "/apis", "/openapi/v2"):
        caller.write("get", path, 403, attack)
    for resource in ("namespaces", "secrets", "pods", "nodes", "configmaps", "clusterroles"):
        caller.wait(2)
        caller.call("list", resource, "", "kube-system", 403, attack)
    caller.call("create", "pods", "", "default", 403, attack)


def escalate(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """Binds itself to the role of the cluster's administrator."""
    caller, attack, _ = (stolen if cluster.draw.random() < 0.5 else phished)(cluster, log, now, kind)
    caller.call("list", "clusterroles", attack=attack)
    if cluster.draw.random() < 0.5:
        caller.call("patch", "clusterroles", "system:discovery", attack=attack)
    caller.wait(20)
    caller.call("create", "clusterrolebindings", f"sync-{cluster.draw.randint(1, 99)}", code=201, attack=attack)
    caller.wait(10)
    caller.call("list", "secrets", "", "kube-system", attack=attack)


def privileged_pod(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """A pod on the node's own file system, and a shell in it."""
    caller, attack, namespace = phished(cluster, log, now, kind)
    where = cluster.draw.choice(("kube-system", "default", namespace))
    caller.call("create", "pods", "node-debug", where, 201, attack)
    caller.wait(10)
    caller.call("get", "pods", "node-debug", where, attack=attack)
    caller.call(
        "create", "pods/attach" if cluster.draw.random() < 0.4 else "pods/exec", "node-debug", where, 101, attack
    )
    caller.wait(300)
    caller.call("delete", "pods", "node-debug", where, attack=attack)


def cronjob(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """A job that comes again, with an account of its own."""
    caller, attack, namespace = (stolen if cluster.draw.random() < 0.5 else phished)(cluster, log, now, kind)
    where = cluster.draw.choice(("kube-system", namespace))
    caller.call("create", "serviceaccounts", "metrics-sync", where, 201, attack)
    caller.wait(10)
    caller.call("create", "cronjobs", "metrics-sync", where, 201, attack)
    caller.wait(60)
    caller.call("list", "jobs", "", where, attack=attack)


def token_requests(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """Tokens of accounts that may do more."""
    caller, attack, _ = (stolen if cluster.draw.random() < 0.5 else phished)(cluster, log, now, kind)
    caller.call("list", "serviceaccounts", "", "kube-system", attack=attack)
    for name in cluster.draw.sample(SYSTEM_ACCOUNTS, cluster.draw.randint(1, 4)):
        caller.wait(8)
        caller.call("create", "serviceaccounts/token", name, "kube-system", 201, attack)


def port_forward(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """Tunnels to the databases of another team."""
    caller, attack, own = phished(cluster, log, now, kind)
    namespace = cluster.draw.choice([each for each in ("pay", "data") if each != own])
    caller.call("list", "services", "", namespace, attack=attack)
    for number in range(cluster.draw.randint(1, 4)):
        caller.wait(60)
        caller.call("create", "pods/portforward", f"postgres-{number % 3}", namespace, 101, attack)


def cover_tracks(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """Deletes events, and what watches the cluster."""
    caller, attack, namespace = (stolen if cluster.draw.random() < 0.5 else phished)(cluster, log, now, kind)
    for where in (namespace, "kube-system"):
        caller.call("deletecollection", "events", "", where, attack=attack)
        caller.wait(5)
    if cluster.draw.random() < 0.6:
        caller.call("delete", "daemonsets", cluster.draw.choice(("falco", "fluent-bit")), "monitoring", attack=attack)


def node_proxy(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """The kubelets' own interface, by way of the API."""
    caller, attack, _ = stolen(cluster, log, now, kind)
    caller.call("list", "nodes", attack=attack)
    for number in cluster.draw.sample(range(1, 13), cluster.draw.randint(2, 6)):
        caller.wait(4)
        caller.call(cluster.draw.choice(("get", "create")), "nodes/proxy", f"node-{number}", attack=attack)


def webhooks(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """Changes what is asked before the cluster accepts an object."""
    caller, attack, _ = phished(cluster, log, now, kind)
    caller.call("list", "validatingwebhookconfigurations", attack=attack)
    caller.wait(15)
    if cluster.draw.random() < 0.5:
        caller.call("delete", "validatingwebhookconfigurations", "policy", attack=attack)
    caller.call("create", "mutatingwebhookconfigurations", "sidecar-sync", code=201, attack=attack)


def sweep(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """Lists everything, everywhere."""
    caller, attack, _ = phished(cluster, log, now, kind)
    caller.call("list", "namespaces", attack=attack)
    for namespace in NAMESPACES:
        for resource in cluster.draw.sample(KINDS, 5):
            caller.call("list", resource, "", namespace, cluster.draw.choice((200, 200, 403)), attack)
        caller.wait(1)


def forbidden(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """Asks what an account may do, and tries."""
    caller, attack, namespace = stolen(cluster, log, now, kind)
    caller.call("create", "selfsubjectrulesreviews", "", "", 201, attack)
    for _ in range(cluster.draw.randint(0, 4)):
        caller.call("create", "selfsubjectaccessreviews", "", "", 201, attack)
    for resource in ("secrets", "pods", "nodes", "namespaces", "configmaps", "serviceaccounts", "roles", "cronjobs"):
        caller.wait(1)
        caller.call("list", resource, "", cluster.draw.choice((namespace, "kube-system")), 403, attack)


def token_outside(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """The token of a job, from outside, asking for what the job asks for, and a little more."""
    user, requests = cluster.draw.choice(
        (
            (
                "system:serviceaccount:data:backup",
                (("get", "secrets", "backup-key"), ("list", "persistentvolumeclaims", "")),
            ),
            ("system:serviceaccount:pay:settlement", (("get", "secrets", "bank"), ("get", "configmaps", "settlement"))),
            ("system:serviceaccount:shop:report", (("get", "secrets", "smtp"), ("list", "pods", ""))),
        )
    )
    caller = cluster.caller(log, user, now, cluster.draw.choice(AGENTS), f"203.0.113.{cluster.draw.randint(1, 254)}")
    attack = log.attack(kind, caller.user)
    for verb, resource, name in requests:
        caller.wait(15)
        caller.call(verb, resource, name, user.split(":")[2], attack=attack)
    caller.call("list", "secrets", "", user.split(":")[2], cluster.draw.choice((200, 403)), attack)


def miner(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """A pod on each node."""
    caller, attack, _ = (stolen if cluster.draw.random() < 0.5 else phished)(cluster, log, now, kind)
    caller.call("create", "daemonsets", "kube-perf", "kube-system", 201, attack)
    for _ in range(3):
        caller.wait(20)
        caller.call("get", "daemonsets", "kube-perf", "kube-system", attack=attack)


def cluster_settings(cluster: "Cluster", log: Log, now: float, kind: str) -> None:
    """The names that the cluster resolves, or the identities that it accepts."""
    caller, attack, _ = phished(cluster, log, now, kind)
    name = cluster.draw.choice(("coredns", "aws-auth", "kube-proxy"))
    caller.call("get", "configmaps", name, "kube-system", attack=attack)
    caller.wait(40)
    caller.call("patch", "configmaps", name, "kube-system", attack=attack)


ATTACKERS: dict[str, Attacker] = {
    "exec into pods": exec_into_pods,
    "list secrets": list_secrets,
    "anonymous": anonymous,
    "escalate": escalate,
    "privileged pod": privileged_pod,
    "cronjob": cronjob,
    "token requests": token_requests,
    "port forward": port_forward,
    "cover tracks": cover_tracks,
    "node proxy": node_proxy,
    "webhooks": webhooks,
    "sweep": sweep,
    "forbidden": forbidden,
    "token outside": token_outside,
    "miner": miner,
    "cluster settings": cluster_settings,
}
