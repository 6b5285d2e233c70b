"""What attackers do to an ssh server, as its authentication log shows it: a function per kind."""

from collections.abc import Callable

from bench.detect.suites import Attack, Log
from bench.support.sshd_writer import DAEMON, Client, Server

Users = dict[str, int]
COMMON = (
    *("admin", "test", "user", "oracle", "ubuntu", "guest", "pi", "git", "mysql", "ftp", "nagios", "tomcat", "hadoop"),
    *("jenkins", "postgres", "www", "minecraft", "steam", "dev", "es", "sysadmin", "vagrant", "ansible", "zabbix"),
)
FOREIGN = ("185.220.101", "45.155.205", "193.32.162", "91.92.240", "103.136.42", "89.248.165", "141.98.10")
"""Networks from which attackers come; scanners come from them too."""


class Attacker:
    """What a kind of attack is given: the server, the users it has, and a way to connect."""

    def __init__(self, server: Server, users: Users, time: float, log: Log, kind: str, address: str) -> None:
        self.server, self.users, self.draw, self.time = server, users, server.draw, time
        self.address = address
        self.attack: Attack = log.attack(kind, address)

    def connect(self) -> Client:
        """A new connection, a little after the one before."""
        return Client(self.server, self.time, self.address, self.attack)

    def someone(self) -> str:
        return self.draw.choice(list(self.users))


def password_spraying(by: Attacker) -> None:
    for name in (*by.users, *by.draw.sample(COMMON, 15)):
        client = by.connect()
        if name not in by.users:
            client.say(f"Invalid user {name} from {client.at}")
        client.fail(name, known=name in by.users)
        client.close(name, known=name in by.users)
        by.time = client.time + by.draw.uniform(5, 60)


def brute_force(by: Attacker) -> None:
    user = by.someone()
    for _ in range(by.draw.randint(12, 40)):
        client = by.connect()
        for _ in range(by.draw.randint(3, 6)):
            client.fail(user)
        client.say(f"error: maximum authentication attempts exceeded for {user} from {client.at} ssh2 [preauth]")
        client.say(f"Disconnecting authenticating user {user} {client.at}: Too many authentication failures [preauth]")
        by.time = client.time + by.draw.uniform(0.1, 3)
    client = by.connect()
    client.fail(user)
    client.accept(user, "password", uid=by.users[user])
    client.start("shell on pts/1", user)
    client.wait(30, 300)
    client.leave(user)


def unknown_user(by: Attacker) -> None:
    name = by.draw.choice(("sysbackup", "support", "svc-update"))
    client = by.connect()
    client.say(f"Invalid user {name} from {client.at}")
    client.fail(name, known=False)
    client.close(name, known=False)
    time = client.time + by.draw.uniform(20, 200)
    by.server.line(
        time, f"useradd[{by.server.next_pid()}]", f"new user: name={name}, UID=0, GID=0, home=/home/{name}", by.attack
    )
    by.time = time + by.draw.uniform(5, 60)
    client = by.connect()
    client.accept(name, "password", uid=0)
    client.start("shell on pts/1", name)
    client.wait(60, 600)
    client.leave(name)


def unusual_client(by: Attacker) -> None:
    user = by.someone()
    client = by.connect()
    client.say("userauth_pubkey: signature algorithm ssh-rsa not in PubkeyAcceptedAlgorithms [preauth]")
    client.fail(user, method="publickey")
    client.accept(user, uid=by.users[user])
    client.start("command", user)
    client.start("subsystem 'sftp'", user, 1)
    client.wait(60, 900)
    client.leave(user, (0, 1))


def key_replaced_by_password(by: Attacker) -> None:
    user = by.someone()
    client = by.connect()
    for _ in range(by.draw.randint(2, 4)):
        client.fail(user, method="publickey")
    client.accept(user, "password", uid=by.users[user])
    client.start("shell on pts/2", user)
    client.wait(30, 600)
    client.sudo(user, "/usr/bin/bash", uid=by.users[user])
    client.leave(user)


def root_login(by: Attacker) -> None:
    client = by.connect()
    for _ in range(by.draw.randint(1, 3)):
        client.fail("root")
    client.accept("root", "password", uid=0)
    client.start("shell on pts/1", "root")
    client.wait(20, 500)
    client.leave("root")


def tunnel(by: Attacker) -> None:
    user = by.someone()
    client = by.connect()
    client.accept(user, uid=by.users[user], mine=False)
    client.start("shell on pts/0", user, mine=False)
    for _ in range(by.draw.randint(4, 15)):
        target, port = f"10.20.0.{by.draw.randint(3, 40)}", by.draw.choice((22, 445, 3306, 3389, 5432, 8080))
        denied = (
            f"Received request from {client.at} to connect to host {target} port {port}, but the request was denied."
        )
        client.say(by.draw.choice((f"error: connect_to {target} port {port}: failed.", denied)))
        client.wait(0.5, 20)
    client.say("error: bind [0.0.0.0]:8888: Address already in use")
    client.leave(user)


def many_sessions(by: Attacker) -> None:
    user = by.someone()
    for _ in range(by.draw.randint(12, 25)):
        client = by.connect()
        client.accept(user, uid=by.users[user])
        for number in range(by.draw.randint(3, 9)):
            client.start("command", user, number)
        by.time += by.draw.uniform(0.2, 3)


def sudo_of_a_service(by: Attacker) -> None:
    client = by.connect()
    client.accept("backup", uid=34, mine=False)
    client.start("shell on pts/3", "backup")
    client.wait(5, 60)
    for command in ("/usr/bin/id", "/usr/bin/bash", "/usr/bin/cat /etc/shadow"):
        client.sudo("backup", command, refused=True)
        client.wait(3, 20)
    client.start("subsystem 'sftp'", "backup", 1)
    client.sudo("backup", "/usr/bin/rsync -e 'sh -c sh' x:", uid=34)
    client.leave("backup", (0, 1))


def exploit(by: Attacker) -> None:
    messages = (
        "fatal: buffer_get_ret: trying to get more bytes 1 than in buffer 0 [preauth]",
        "ssh_dispatch_run_fatal: Connection from {at}: message authentication code incorrect [preauth]",
        "error: Protocol major versions differ for {at}: SSH-2.0-OpenSSH_9.2 vs. SSH-1.5-a",
        "error: Bad packet length 1349676916. [preauth]",
        "ssh_dispatch_run_fatal: Connection from {at}: Connection corrupted [preauth]",
        "error: mm_request_receive_expect: read: rtype 120 != type 124",
        "fatal: mm_answer_sign: bad data length: 4096 [preauth]",
    )
    for _ in range(by.draw.randint(3, 12)):
        client = by.connect()
        client.say(by.draw.choice(messages).format(at=client.at))
        by.time = client.time + by.draw.uniform(0.3, 12)
    overload = "error: beginning MaxStartups throttling"
    by.server.line(by.time, f"sshd[{DAEMON}]", overload, by.attack)


def enumeration(by: Attacker) -> None:
    for name in by.draw.choices(COMMON, k=by.draw.randint(40, 120)):
        client = by.connect()
        client.say(f"Invalid user {name} from {client.at}")
        client.close(name, known=False)
        by.time = client.time + by.draw.uniform(0.2, 2)


def changed_order(by: Attacker) -> None:
    """A stolen session: sftp before the shell, sudo at once, no end of the channels."""
    user = by.someone()
    client = by.connect()
    client.accept(user, uid=by.users[user], mine=False)
    client.start("subsystem 'sftp'", user)
    client.start("shell on pts/0", user, 1)
    client.sudo(user, "/usr/bin/tar czf /tmp/h.tgz /home", uid=by.users[user])
    client.start("subsystem 'sftp'", user, 2)
    client.wait(60, 600)
    client.say(f"error: Received disconnect from {client.at}:3: com.jcraft.jsch.JSchException: Auth fail")
    client.say(f"pam_unix(sshd:session): session closed for user {user}")


ATTACKS: dict[str, tuple[str, Callable[[Attacker], None]]] = {
    "password spraying": ("any", password_spraying),
    "brute force that succeeds": ("any", brute_force),
    "unknown user": ("any", unknown_user),
    "unusual client": ("night", unusual_client),
    "password instead of a key": ("any", key_replaced_by_password),
    "login of root": ("any", root_login),
    "tunnel": ("any", tunnel),
    "many sessions at once": ("any", many_sessions),
    "sudo of a service": ("service", sudo_of_a_service),
    "exploit": ("any", exploit),
    "enumeration of users": ("any", enumeration),
    "changed order at night": ("night", changed_order),
}
"""By kind: when or from where (`service`: from the address of the backup server), and what is done."""
