"""Audit log of a Kubernetes cluster: a week of work, then a day with 16 kinds of attackers. Cost: 10 minutes.

- Normal: deployments by CI and what controllers, the scheduler and the nodes' kubelets do about them; jobs of service
  accounts, each with its habits; operators; developers and administrators at their hours; stray anonymous requests. The
  audit policy leaves out leases, events' creation and health checks, as those of the large providers do.
- Attackers follow public descriptions: Microsoft's threat matrix for Kubernetes, MITRE ATT&CK for containers, CISA and
  NSA's hardening guide. Each kind comes three times; most use the account of a workload or of a developer.
"""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime

from bench.detect.suites import Attack, Log, Suite, claims, main
from bench.support.kubernetes_attackers import ATTACKERS

START = datetime(2024, 4, 29, tzinfo=UTC).timestamp()
DAY, DAYS = 86400, 7
APPS = {
    "shop": ("web", "cart", "search", "images", "reviews"),
    "pay": ("api", "ledger", "fraud"),
    "data": ("ingest", "warehouse", "etl"),
}
"""Workloads by namespace."""
TOOLS = (
    "kubectl/v1.29.3 (linux/amd64) kubernetes/6813625",
    "kubectl/v1.28.4 (darwin/arm64) kubernetes/bae2c62",
    "k9s/v0.32.4",
)
STEPS = ("log", "describe", "restart", "config", "secret", "exec", "other"), (34, 26, 8, 10, 4, 5, 6)
"""What people do with pods, and how often."""
NODES = [f"node-{number}" for number in range(1, 13)]
DEVELOPERS = {
    **dict.fromkeys(("ann", "bob", "erin", "frank", "grace"), "shop"),
    **dict.fromkeys(("heidi", "ivan"), "pay"),
    **dict.fromkeys(("judy", "ken", "lena"), "data"),
}
"""Namespace that each developer works in."""
ADMINISTRATORS = ("carol", "dave")
JOBS = {
    "shop:report": (1, "get configmaps report, get secrets smtp, list pods"),
    "shop:cache-warmer": (1, "list endpoints, list pods, get services web"),
    "pay:settlement": (2, "get secrets bank, get configmaps settlement"),
    "data:backup": (
        4,
        "get secrets backup-key, list persistentvolumeclaims, create volumesnapshots, list volumesnapshots, "
        "delete volumesnapshots old",
    ),
    "cert-manager:cert-manager": (
        2,
        "list certificates, get secrets web-tls, update secrets web-tls, create certificaterequests",
    ),
    "kube-system:external-dns": (1, "list services, list ingresses"),
    "monitoring:prometheus": (1, "list pods, list services, list endpoints, list nodes"),
    "kube-system:cluster-autoscaler": (
        3,
        "list nodes, list pods, list replicasets, update configmaps cluster-autoscaler-status",
    ),
}
"""Service account, hours between two runs, and the requests of a run."""
GROUPS = {
    **dict.fromkeys(("deployments", "replicasets", "daemonsets"), "apps"),
    **dict.fromkeys(("cronjobs", "jobs"), "batch"),
    **dict.fromkeys(("clusterrolebindings", "clusterroles", "rolebindings", "roles"), "rbac.authorization.k8s.io"),
    "certificates": "cert-manager.io",
    "ingresses": "networking.k8s.io",
    "mutatingwebhookconfigurations": "admissionregistration.k8s.io",
    "validatingwebhookconfigurations": "admissionregistration.k8s.io",
    "selfsubjectaccessreviews": "authorization.k8s.io",
    "selfsubjectrulesreviews": "authorization.k8s.io",
}
"""Group of each resource that is not in the core group."""
UNBOUND = {"nodes", "namespaces", "clusterroles", "clusterrolebindings"} | {
    kind for kind, group in GROUPS.items() if group in ("admissionregistration.k8s.io", "authorization.k8s.io")
}
"""Resources without a namespace."""


@dataclass
class Caller:
    """Writes the requests of one client of the API to a log, one after the other."""

    log: Log
    draw: random.Random
    user: str
    address: str
    agent: str
    now: float

    def call(
        self,
        verb: str,
        resource: str,
        name: str = "",
        namespace: str = "",
        code: int = 200,
        attack: Attack | None = None,
    ) -> None:
        """One request now, of a resource such as `pods` or `pods/exec`."""
        kind, _, sub = resource.partition("/")
        group = GROUPS.get(kind, "")
        reference = {"resource": kind, "namespace": "" if kind in UNBOUND else namespace, "name": name}
        reference |= {"subresource": sub, "apiGroup": group, "apiVersion": "v1"}
        reference = {key: value for key, value in reference.items() if value}
        path = f"/apis/{group}/v1" if group else "/api/v1"
        path += f"/namespaces/{reference['namespace']}" if "namespace" in reference else ""
        path += f"/{kind}" + (f"/{name}" if name else "") + (f"/{sub}" if sub else "")
        self.write(verb, path + ("?limit=500" if verb == "list" else ""), code, attack, reference)

    def write(
        self,
        verb: str,
        path: str,
        code: int,
        attack: Attack | None = None,
        reference: dict[str, str] | None = None,
    ) -> None:
        """One request now, of a path."""
        received = datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        allowed = "forbid" if code in (401, 403) else "allow"
        record = {
            "kind": "Event",
            "apiVersion": "audit.k8s.io/v1",
            "level": "Metadata",
            "auditID": f"{self.draw.getrandbits(32):08x}-0000-4000-8000-{self.draw.getrandbits(48):012x}",
            "stage": "ResponseComplete",
            "requestURI": path,
            "verb": verb,
            "user": {"username": self.user, "groups": ["system:authenticated"]},
            "sourceIPs": [self.address],
            "userAgent": self.agent,
            **({"objectRef": reference} if reference else {}),
            "responseStatus": {"metadata": {}, "code": code},
            "requestReceivedTimestamp": received,
            "stageTimestamp": received,
            "annotations": {"authorization.k8s.io/decision": allowed},
        }
        self.log.add(self.now, json.dumps(record, separators=(",", ":")), attack)
        self.now += self.draw.lognormvariate(-2, 1)

    def wait(self, seconds: float) -> None:
        """Wait for about this long."""
        self.now += seconds * self.draw.lognormvariate(0, 0.7)


class Cluster:
    """All that is normal."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.homes = {who: f"198.51.100.{number + 10}" for number, who in enumerate((*DEVELOPERS, *ADMINISTRATORS))}
        self.tools = {who: draw.choice(TOOLS) for who in self.homes}
        self.developers = DEVELOPERS
        self.pods: dict[tuple[str, str], list[str]] = {}
        for namespace, apps in APPS.items():
            for app in apps:
                self.new_pods(namespace, app)

    def new_pods(self, namespace: str, app: str) -> str:
        """Replace the pods of a workload; returns the name of its replica set."""
        chars = "bcdfghjklmnpqrstvwxz2456789"
        replicas = f"{app}-{''.join(self.draw.choices(chars, k=10))}"
        names = [f"{replicas}-{''.join(self.draw.choices(chars, k=5))}" for _ in range(self.draw.randint(2, 4))]
        self.pods[namespace, app] = names
        return replicas

    def caller(self, log: Log, user: str, now: float, agent: str = "", address: str = "") -> Caller:
        number = sum(user.encode()) % 200 + 10
        return Caller(
            log, self.draw, user, address or f"192.0.2.{number}", agent or f"{user.rsplit(':', 1)[-1]}/v1.29.3", now
        )

    def person(self, log: Log, who: str, now: float) -> Caller:
        return Caller(log, self.draw, f"{who}@example.com", self.homes[who], self.tools[who], now)

    def component(self, log: Log, name: str, now: float) -> Caller:
        return self.caller(
            log, name, now, f"{name.split(':')[1]}/v1.29.3 (linux/amd64) kubernetes/6813625", "192.0.2.2"
        )

    def account(self, namespace: str, app: str) -> str:
        return f"system:serviceaccount:{namespace}:{app}"

    def write(self, log: Log, day: int) -> None:
        """One day; the last two of a week are quiet."""
        midnight, weekend = START + DAY * day, day % 7 >= 5
        for account, (hours, requests) in JOBS.items():
            for hour in range(0, 24, hours):
                now = midnight + 3600 * hour + self.draw.uniform(0, 90)
                self.run_job(self.caller(log, f"system:serviceaccount:{account}", now), requests.split(", "))
        for _ in range(4 if weekend else 22):
            self.deploy(log, midnight + 3600 * self.draw.triangular(7, 19, 14))
        for namespace, apps in APPS.items():
            for app in apps:
                for hour in range(0, 24, 2):
                    self.refresh(log, namespace, app, midnight + 3600 * (hour + self.draw.random()))
        people = [*DEVELOPERS, *ADMINISTRATORS]
        for who in self.draw.sample(people, 3) if weekend else people:
            for _ in range(self.draw.randint(2, 5)):
                self.work(log, who, midnight + 3600 * self.draw.uniform(6.5, 18.5))
        for _ in range(14):
            stray = self.caller(log, "system:anonymous", midnight + DAY * self.draw.random(), "Go-http-client/1.1")
            stray.address = f"198.18.{self.draw.randint(0, 255)}.{self.draw.randint(1, 254)}"
            stray.write("get", self.draw.choice(("/version", "/", "/livez", "/version")), self.draw.choice((200, 403)))

    def run_job(self, caller: Caller, requests: list[str]) -> None:
        namespace = caller.user.split(":")[2]
        for request in requests:
            verb, resource, *name = request.split()
            for _ in range(self.draw.choice((1, 1, 1, 2))):
                caller.call(verb, resource, "".join(name), namespace, 201 if verb == "create" else 200)
        if self.draw.random() < 0.02:
            caller.call("get", "configmaps", "kube-root-ca.crt", namespace, 404)

    def refresh(self, log: Log, namespace: str, app: str, now: float) -> None:
        """What the pods of a workload ask the API for."""
        caller = self.caller(log, self.account(namespace, app), now, "OpenAPI-Generator/29.0.0/python")
        caller.call("get", "configmaps", f"{app}-flags", namespace)
        if self.draw.random() < 0.3:
            caller.call("list", "endpoints", "", namespace)
        if self.draw.random() < 0.1:
            caller.call("get", "pods", self.draw.choice(self.pods[namespace, app]), namespace)

    def deploy(self, log: Log, now: float) -> None:
        """A deployment by CI, and what follows from it."""
        namespace = self.draw.choice(list(APPS))
        app = self.draw.choice(APPS[namespace])
        caller = self.caller(log, "system:serviceaccount:ci:deployer", now, "helm/v3.14.3")
        for name in range(self.draw.randint(1, 3)):
            caller.call("list", "secrets", "", namespace)
            caller.call("get", "configmaps", f"{app}-flags" if name else app, namespace)
        caller.call("create", "secrets", f"sh.helm.release.v1.{app}.v{self.draw.randint(10, 90)}", namespace, 201)
        caller.call("get", "services", app, namespace)
        caller.call("patch", "deployments", app, namespace)
        for _ in range(self.draw.randint(2, 8)):
            caller.wait(5)
            caller.call("get", "deployments", app, namespace)
        replicas = self.new_pods(namespace, app)
        control = self.component(log, "system:kube-controller-manager", now + 3)
        control.call("create", "replicasets", replicas, namespace, 201)
        for pod in self.pods[namespace, app]:
            control.call("create", "pods", "", namespace, 201)
            scheduler = self.component(log, "system:kube-scheduler", control.now + 0.1)
            scheduler.call("create", "pods/binding", pod, namespace, 201)
            scheduler.call("patch", "pods/status", pod, namespace)
            self.start_pod(log, namespace, app, pod, scheduler.now + 0.2)
            control.call("update", "replicasets/status", replicas, namespace)
        control.wait(20)
        control.call("update", "endpoints", app, namespace, self.draw.choice((200, 200, 200, 409)))
        control.call("update", "deployments/status", app, namespace)

    def start_pod(self, log: Log, namespace: str, app: str, pod: str, now: float) -> None:
        """A kubelet starts a pod."""
        node = self.draw.choice(NODES)
        kubelet = self.caller(log, f"system:node:{node}", now, "kubelet/v1.29.3 (linux/amd64) kubernetes/6813625")
        kubelet.call("create", "serviceaccounts/token", app, namespace, 201)
        kubelet.call("get", "configmaps", "kube-root-ca.crt", namespace)
        kubelet.call("get", "configmaps", f"{app}-flags", namespace)
        kubelet.call("get", "secrets", f"{app}-db", namespace)
        for _ in range(self.draw.randint(2, 4)):
            kubelet.wait(4)
            kubelet.call("get", "pods", pod, namespace)
            kubelet.call("patch", "pods/status", pod, namespace)

    def work(self, log: Log, who: str, now: float) -> None:
        """Some minutes of a developer or an administrator."""
        caller = self.person(log, who, now)
        namespace = DEVELOPERS.get(who) or self.draw.choice(list(APPS))
        app = self.draw.choice(APPS[namespace])
        if self.draw.random() < 0.3:
            caller.write("get", "/api", 200)
            caller.write("get", "/apis", 200)
        for _ in range(self.draw.randint(1, 6)):
            caller.wait(40)
            caller.call("list", "pods", "", namespace)
            step = self.draw.choices(*STEPS)[0]
            pod = self.draw.choice(self.pods[namespace, app])
            if step == "log":
                caller.call("get", "pods/log", pod, namespace)
            elif step == "describe":
                caller.call("get", "pods", pod, namespace, self.draw.choices((200, 404), (30, 1))[0])
                caller.call("list", "events", "", namespace)
            elif step == "restart":
                caller.call("get", "deployments", app, namespace)
                caller.call("patch", "deployments", app, namespace)
            elif step == "config":
                caller.call("get", "configmaps", f"{app}-flags", namespace)
                caller.call("patch", "configmaps", f"{app}-flags", namespace)
            elif step == "secret":
                caller.call("get", "secrets", f"{app}-db", namespace, 200 if who in ADMINISTRATORS else 403)
            elif step == "exec" and who in ("bob", "ivan", *ADMINISTRATORS):
                caller.call("create", self.draw.choice(("pods/exec", "pods/portforward")), pod, namespace, 101)
            else:
                caller.call("list", self.draw.choice(("deployments", "services", "ingresses", "jobs")), "", namespace)
        if who in ADMINISTRATORS:
            self.administer(caller)

    def administer(self, caller: Caller) -> None:
        caller.call("list", "nodes")
        node = self.draw.choice(NODES)
        if self.draw.random() < 0.3:
            caller.call("patch", "nodes", node)
            caller.call("create", "pods/eviction", self.draw.choice(self.pods["shop", "web"]), "shop", 201)
            caller.wait(60)
            caller.call("patch", "nodes", node)
        if self.draw.random() < 0.12:
            caller.call(
                "create", "rolebindings", f"team-{self.draw.choice(list(APPS))}", self.draw.choice(list(APPS)), 201
            )
        if self.draw.random() < 0.08:
            caller.call("create", "namespaces", f"preview-{self.draw.randint(1, 99)}", code=201)


class Kubernetes(Suite):
    name, entity = "kubernetes", "user"

    def generate(self, normal: Log, day: Log, draw: random.Random) -> None:
        cluster = Cluster(draw)
        for number in range(DAYS):
            cluster.write(normal, number)
        cluster.write(day, DAYS)
        for kind, attacker in ATTACKERS.items():
            for _ in range(3):
                attacker(cluster, day, START + DAY * DAYS + 3600 * draw.uniform(0.5, 22.5), kind)


SUITE = Kubernetes()
CLAIMS = [*claims("kubernetes", "Audit log of a Kubernetes cluster")]

if __name__ == "__main__":
    main(SUITE, __doc__)
