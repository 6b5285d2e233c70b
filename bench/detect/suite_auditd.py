"""Audit log of five servers: a week, then a day with 18 kinds of attackers. Cost: 10 minutes.

- Normal: jobs of cron; administrators who look around, restart services, install updates and now and then add a user;
  developers who edit, build and test; deployments and backups; daemons with connections and commands of their own;
  scanners of the internet that fail to log in.
- Attackers come in the session of a user whose key they stole, or through the web application. Each kind comes three
  times; most look around before, as everybody does. The kinds follow MITRE ATT&CK's techniques for Linux.
"""

import random
from collections.abc import Callable
from datetime import UTC, datetime

from bench.detect.suites import Log, Suite, claims, main
from bench.support.audit_attackers import ATTACKS, FOREIGN, Act
from bench.support.audit_writer import Host, Process, job, job_ends, login, logout

START, DAY, DAYS = datetime(2024, 4, 29, tzinfo=UTC).timestamp(), 86400, 7
HOSTS = ("web1", "web2", "app1", "db1", "build1")
ADMINS, DEVELOPERS = ("ann", "bert"), ("cleo", "dirk", "eva", "finn")
IDS = {"root": 0, "www-data": 33, "postgres": 106, "deploy": 998} | {
    name: 1000 + place for place, name in enumerate(ADMINS + DEVELOPERS)
}
CLIENTS = {name: f"10.8.0.{11 + place}" for place, name in enumerate(ADMINS + DEVELOPERS)} | {"deploy": "10.20.0.5"}
UNITS = {"web1": "nginx", "web2": "nginx", "app1": "shop", "db1": "postgresql", "build1": "docker"}
LOOKS = (
    *(
        ("ls",),
        ("ls", "-la"),
        ("ls", "-l", "/var/log"),
        ("df", "-h"),
        ("free", "-m"),
        ("uptime",),
        ("ps", "aux"),
        ("w",),
    ),
    *(
        ("top", "-b", "-n", "1"),
        ("ss", "-tlnp"),
        ("cat", "/etc/hosts"),
        ("id",),
        ("whoami",),
        ("uname", "-a"),
        ("last",),
    ),
    *(("journalctl", "-n", "100"), ("less", "/var/log/syslog"), ("du", "-sh", "/srv"), ("ip", "addr"), ("date",)),
)
EDITS = ("/etc/nginx/nginx.conf", "/etc/hosts", "/etc/default/shop", "/etc/cron.d/reports", "/etc/ssh/sshd_config")
SOURCES = ("app.py", "models.py", "tests/test_cart.py", "Makefile", "README.md", "cart/views.py", "static/shop.js")
RARE = (
    *(("htop",), ("tree", "-L", "2"), ("wget", "https://downloads.example.net/tool.tgz"), ("dig", "shop.example.net")),
    *(("ping", "-c", "3", "10.20.0.8"), ("find", "/srv", "-name", "*.log"), ("tar", "xzf", "tool.tgz"), ("env",)),
    *(
        ("chmod", "+x", "run.sh"),
        ("lsof", "-i", ":8080"),
        ("gcc", "-o", "t", "t.c"),
        ("tar", "czf", "/tmp/logs.tgz", "/srv/shop"),
    ),
    *(
        ("strace", "-p", "812"),
        ("nc", "-z", "10.20.0.8", "5432"),
        ("base64", "-d", "token.txt"),
        ("traceroute", "10.20.0.8"),
    ),
    *(
        ("openssl", "s_client", "-connect", "shop.example.net:443"),
        ("jq", ".items", "a.json"),
        ("hostname",),
        ("crontab", "-l"),
    ),
    *(
        ("screen", "-r"),
        ("tmux", "attach"),
        ("mtr", "10.20.0.9"),
        ("zgrep", "error", "/var/log/syslog.2.gz"),
        ("xxd", "a.bin"),
    ),
    *(
        ("iostat", "-x", "1", "5"),
        ("vmstat", "1", "5"),
        ("lsblk",),
        ("stat", "/etc/hosts"),
        ("md5sum", "tool.tgz"),
        ("nproc",),
    ),
    *(
        ("perl", "-pe", "s/a/b/", "x.txt"),
        ("diff", "-u", "a", "b"),
        ("column", "-t"),
        ("watch", "-n", "2", "df"),
        ("rm", "-rf", "build"),
    ),
    *(
        ("curl", "-I", "https://10.20.0.8:8443/"),
        ("nmap", "-p", "443", "10.20.0.8"),
        ("pkill", "-f", "vite"),
        ("lsmod",),
        ("cal",),
    ),
    *(
        ("mysql", "--version"),
        ("sort", "-u", "x.txt"),
        ("ssh-keygen", "-l", "-f", "key.pub"),
        ("timedatectl",),
        ("mkdir", "-p", "/tmp/t"),
    ),
    *(
        ("bc", "-l"),
        ("sed", "-i", "s/1/2/", "a.conf"),
        ("gdb", "-p", "4711"),
        ("mount",),
        ("ruby", "-v"),
        ("findmnt", "/srv"),
    ),
)
"""What people run seldom, the most frequent first: every day has commands that no day before had."""
HOURS = (1, 0.5, 0.3, 0.2, 0.2, 0.5, 1, 3, 8, 12, 13, 12, 8, 11, 13, 12, 10, 7, 4, 3, 3, 2, 2, 1)
"""Logins per hour of the day, relative to each other."""


def look(shell: Process, draw: random.Random) -> None:
    if draw.random() < 0.3:
        shell.run(*draw.choices(RARE, [(1 + place) ** -0.6 for place in range(len(RARE))])[0])
        shell.wait(2, 60)
    for command in draw.choices(LOOKS, k=draw.randint(1, 3)):
        shell.run(*command)
        shell.wait(2, 20)


def restart(shell: Process, draw: random.Random) -> None:
    unit = UNITS[shell.host.name]
    shell.run("systemctl", "status", unit)
    shell.wait(2, 20)
    shell.sudo("systemctl", draw.choice(("restart", "restart", "reload")), unit)
    for place, kind in enumerate(("SERVICE_STOP", "SERVICE_START")):
        shell.host.service(shell.time + 0.2 + 0.3 * place, kind, unit)
    shell.wait(2, 8)
    shell.run("journalctl", "-u", unit, "-n", str(draw.choice((20, 50, 100))))


def update(shell: Process, draw: random.Random) -> None:
    for words in (("apt", "update"), ("apt", "upgrade", "-y")):
        apt = shell.sudo(*words)
        for server in draw.sample(("151.101.2.132", "151.101.66.132"), 1):
            method = apt.run("/usr/lib/apt/methods/http", uid=42)
            method.call("connect", method.program, socket=(server, 80), key="net")
        if words[1] == "upgrade":
            for _ in range(draw.randint(1, 5)):
                apt.run("dpkg", "--status-fd", "21", "--no-triggers", "--unpack", "--auto-deconfigure").wait(1, 5)
        shell.wait(2, 15)


def configure(shell: Process, draw: random.Random) -> None:
    file = draw.choice(EDITS)
    shell.sudo("vim", file)
    shell.wait(20, 300)
    if "nginx" in file:
        shell.sudo("nginx", "-t")
    if draw.random() < 0.4:
        shell.sudo(
            "tail", "-n", "50", draw.choice(("/var/log/syslog", "/var/log/auth.log", "/var/log/nginx/error.log"))
        )
    if draw.random() < 0.2:
        shell.run("crontab", draw.choice(("-l", "-e")))


def add_colleague(shell: Process, draw: random.Random) -> None:
    useradd = shell.sudo("useradd", "-m", "-s", "/bin/bash", draw.choice(("gita", "hans", "ines", "jan")))
    useradd.call("openat", "useradd", paths=[("/etc/", "PARENT"), ("/etc/passwd", "NORMAL")], key="identity")
    what = f"op=adding user id={draw.randint(1010, 1030)} | hostname=? addr=? terminal=pts/0 res=success"
    shell.host.user_record(useradd.time + 0.1, "ADD_USER", useradd.who(), what, exe="useradd")
    shell.wait(5, 20)
    shell.sudo("passwd", "gita")


def copy_files(shell: Process, draw: random.Random) -> None:
    other = draw.choice(("10.20.0.6", "10.20.0.7", "10.20.0.8"))
    words = draw.choice(
        (("scp", "report.csv", f"{other}:/srv/"), ("ssh", other), ("rsync", "-a", "/srv/shop/", f"{other}:/srv/shop/"))
    )
    copying = shell.run(*words)
    if words[0] != "ssh":
        copying = copying.run("ssh", other, words[0])
    copying.call("connect", "ssh", socket=(other, 22), key="net")
    shell.wait(3, 60)


def use_git(shell: Process, draw: random.Random) -> None:
    shell.cwd = f"{shell.cwd}/shop" if not shell.cwd.endswith("shop") else shell.cwd
    for words in draw.sample(
        (("status",), ("diff",), ("log", "--oneline", "-5"), ("pull",), ("add", "-A"), ("push",)), 3
    ):
        git = shell.run("git", *words)
        if words[0] in {"pull", "push"}:
            ssh = git.run("ssh", "git@git.example.net", f"git-{words[0]}-pack 'shop.git'")
            ssh.call("connect", "ssh", socket=("10.20.0.9", 22), key="net")
        shell.wait(2, 30)


def develop(shell: Process, draw: random.Random) -> None:
    shell.run("vim", draw.choice(SOURCES))
    shell.wait(30, 400)
    if draw.random() < 0.4:
        shell.run("grep", "-rn", draw.choice(("total", "def cart", "TODO")), "cart")
    tool = draw.choice(("make", "pytest", "python3", "npm", "code"))
    if tool == "make":
        make = shell.run("make", draw.choice(("test", "build", "lint")))
        sh = make.run("/bin/sh", "-c", "python3 -m pytest -q", exe="sh")
        sh.run("python3", "-m", "pytest", "-q")
    elif tool == "pytest":
        shell.run("python3", "-m", "pytest", "-q", draw.choice(SOURCES))
    elif tool == "python3":
        shell.run("python3", draw.choice(("app.py", "report.py", "manage.py")))
    elif tool == "npm":
        npm = shell.run("npm", "run", "build")
        npm.run("sh", "-c", "vite build", exe="sh").run("node", "node_modules/.bin/vite", "build")
    else:
        shell.run("python3", "-c", draw.choice(("import shop; print(shop.version)", "print(2 ** 10)")))
    shell.wait(5, 60)


def install(shell: Process, draw: random.Random) -> None:
    pip = shell.run("pip", "install", *draw.choice((("-r", "requirements.txt"), ("requests",), ("-U", "pytest"))))
    pip.call("connect", "python3", socket=("151.101.0.223", 443), key="net")
    if draw.random() < 0.5:
        curl = shell.run(
            "curl", "-s", draw.choice(("http://localhost:8080/health", "https://api.example.net/v1/items"))
        )
        curl.call("connect", "curl", socket=("127.0.0.1", 8080), key="net")
    shell.run(draw.choice(("ls", "cat", "less")), draw.choice(SOURCES))


def deploy(shell: Process, draw: random.Random) -> None:
    shell.cwd = "/srv/shop"
    git = shell.run("git", "fetch", "--tags")
    ssh = git.run("ssh", "git@git.example.net", "git-upload-pack 'shop.git'")
    ssh.call("connect", "ssh", socket=("10.20.0.9", 22), key="net")
    shell.run("git", "checkout", f"v2.{draw.randint(1, 40)}")
    pip = shell.run("/srv/shop/venv/bin/pip", "install", "-q", "-r", "requirements.txt", exe="python3")
    pip.call("connect", "python3", socket=("151.101.0.223", 443), key="net")
    shell.run("/srv/shop/venv/bin/python", "manage.py", "migrate", exe="python3")
    unit = UNITS[shell.host.name]
    shell.sudo("systemctl", "restart", unit)
    for place, kind in enumerate(("SERVICE_STOP", "SERVICE_START")):
        shell.host.service(shell.time + 0.2 + 0.3 * place, kind, unit)
    shell.wait(1, 3)
    curl = shell.run("curl", "-fsS", "http://localhost/health")
    curl.call("connect", "curl", socket=("127.0.0.1", 80), key="net")


Activity = Callable[[Process, random.Random], None]
OF_ADMINS: dict[Activity, float] = {
    look: 8,
    restart: 3,
    update: 1.5,
    configure: 3,
    copy_files: 1.5,
    add_colleague: 0.15,
}
OF_DEVELOPERS: dict[Activity, float] = {look: 4, use_git: 6, develop: 7, install: 2, copy_files: 0.7}


def visit(host: Host, time: float, user: str, draw: random.Random) -> None:
    """A login of a user who does what the user usually does."""
    shell = login(host, time, user, IDS[user], CLIENTS[user], key=draw.random() < 0.9)
    work(shell, user, draw)
    logout(shell, user, CLIENTS[user])


def work(shell: Process, user: str, draw: random.Random) -> None:
    if user == "deploy":
        deploy(shell, draw)
        return
    activities = OF_ADMINS if user in ADMINS else OF_DEVELOPERS
    for act in draw.choices(list(activities), list(activities.values()), k=draw.randint(1, 5)):
        act(shell, draw)
        shell.wait(5, 120)


def statistics(host: Host, time: float) -> None:
    shell = job(host, time, "root", 0, "command -v debian-sa1 > /dev/null && debian-sa1 1 1")
    sa1 = shell.run("/bin/sh", "/usr/lib/sysstat/debian-sa1", "1", "1", exe="sh", script="/usr/lib/sysstat/debian-sa1")
    sa1.run("/usr/lib/sysstat/sadc", "-F", "-L", "1", "1", "-S", "DISK", "/var/log/sysstat")
    job_ends(shell, "root")


def clean_sessions(host: Host, time: float) -> None:
    shell = job(host, time, "root", 0, "[ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean")
    script = "/usr/lib/php/sessionclean"
    clean = shell.run("/bin/sh", script, exe="sh", script=script)
    clean.run(
        "php",
        "-c",
        "/etc/php/8.2/cli",
        "-d",
        "error_reporting=E_ERROR",
        "-r",
        "foreach(ini_get_all() as $k=>$v) echo $k;",
    )
    clean.run("find", "-O3", "/var/lib/php/sessions", "-name", "sess_*", "-cmin", "+24", "-delete")
    job_ends(shell, "root")


def rotate(host: Host, time: float) -> None:
    shell = job(host, time, "root", 0, "test -x /usr/sbin/anacron || run-parts --report /etc/cron.daily")
    parts = shell.run("run-parts", "--report", "/etc/cron.daily")
    script = parts.run("/bin/sh", "/etc/cron.daily/logrotate", exe="sh", script="/etc/cron.daily/logrotate")
    turning = script.run("logrotate", "/etc/logrotate.conf")
    for name in host.draw.sample(("syslog", "auth.log", "nginx/access.log", "dpkg.log"), 2):
        sh = turning.run("sh", "-c", f"/usr/lib/rsyslog/rsyslog-rotate {name}")
        sh.run("gzip", "-9")
    parts.run("/bin/sh", "/etc/cron.daily/man-db", exe="sh", script="/etc/cron.daily/man-db")
    job_ends(shell, "root")


def back_up(host: Host, time: float) -> None:
    user = "postgres" if host.name == "db1" else "root"
    shell = job(host, time, user, IDS[user], "/usr/local/bin/backup.sh")
    script = shell.run("/bin/bash", "/usr/local/bin/backup.sh", exe="bash", script="/usr/local/bin/backup.sh")
    if user == "postgres":
        dump = script.run("/usr/lib/postgresql/15/bin/pg_dump", "-Fc", "-f", "/var/backups/shop.dump", "shop")
        dump.wait(20, 90)
    tar = script.run("tar", "czf", f"/var/backups/srv-{int(time) % 97}.tar.gz", "/srv", "/etc")
    tar.wait(10, 60)
    tar.run("gzip")
    ssh = script.run("rsync", "-a", "--delete", "/var/backups/", "backup@10.20.0.30:/backups/").run("ssh", "10.20.0.30")
    ssh.call("connect", "ssh", socket=("10.20.0.30", 22), key="net")
    script.wait(5, 60)
    script.run("find", "/var/backups", "-mtime", "+14", "-delete")
    job_ends(shell, user)


def worker_of(host: Host, time: float, pid: int) -> Process:
    """A worker of the web application, which the daemon started long ago."""
    worker = Process(host, time, "php-fpm8.2", IDS["www-data"])
    worker.pid, worker.parent, worker.cwd = pid, 700, "/var/www/shop"
    return worker


def serve(host: Host, start: float, workers: list[int], draw: random.Random) -> None:
    """A day of the web application: connections to the database, and now and then a picture to convert."""
    for hour in range(24):
        for pid in workers:
            for _ in range(draw.randint(1, 3)):
                worker = worker_of(host, start + 3600 * hour + draw.uniform(0, 3500), pid)
                worker.call("connect", "php-fpm8.2", socket=("10.20.0.8", 5432), key="net")
                if draw.random() < 0.25:
                    files = f"/var/www/shop/upload/{draw.randint(1, 9999)}.jpg"
                    sh = worker.run("sh", "-c", f"convert {files} -resize 200x200 {files}.png")
                    sh.run("convert", files, "-resize", "200x200", f"{files}.png")


def scanned(host: Host, start: float, draw: random.Random) -> None:
    """Logins that scanners of the internet try, all day long."""
    for _ in range(draw.randint(30, 70)):
        time, address = (
            start + draw.uniform(0, DAY - 60),
            f"{draw.randint(20, 220)}.{draw.randint(0, 255)}.7.{draw.randint(1, 254)}",
        )
        daemon = Process(host, time, "sshd", 0)
        account = draw.choice(('"root"', "28756E6B6E6F776E207573657229", "28756E6B6E6F776E207573657229"))
        client = f"hostname=? addr={address} terminal=ssh res=failed"
        for place in range(draw.randint(1, 3)):
            what = f"op=PAM:authentication grantors=? acct={account} | {client}"
            host.user_record(time + 2 * place, "USER_AUTH", daemon.who(), what)
        host.user_record(time + 7, "USER_LOGIN", daemon.who(), f"op=login acct={account} | {client}")


def timers(host: Host, start: float, draw: random.Random) -> None:
    """Services that systemd starts by the clock."""
    for unit, times in (("apt-daily", 2), ("fwupd-refresh", 4), ("systemd-tmpfiles-clean", 1), ("certbot", 2)):
        for _ in range(times):
            time = start + draw.uniform(0, DAY - 100)
            host.service(time, "SERVICE_START", unit)
            host.service(time + draw.uniform(0.5, 20), "SERVICE_STOP", unit)


def ordinary_day(host: Host, start: float, workers: list[int], weekend: bool) -> None:
    draw = host.draw
    for minute in range(5, 24 * 60, 30):
        statistics(host, start + 60 * minute + 1)
    if host.name.startswith("web"):
        for minute in range(9, 24 * 60, 60):
            clean_sessions(host, start + 60 * minute + 1)
        serve(host, start, workers, draw)
    rotate(host, start + 6.42 * 3600 + draw.uniform(0, 5))
    back_up(host, start + 2.25 * 3600 + draw.uniform(0, 5))
    timers(host, start, draw)
    scanned(host, start, draw)
    users = ADMINS * 2 + (DEVELOPERS * 3 if host.name == "build1" else DEVELOPERS if host.name == "app1" else ())
    for _ in range(round(len(users) * (0.4 if weekend else 1.6))):
        hour = draw.choices(range(24), HOURS)[0]
        visit(host, start + 3600 * hour + draw.uniform(0, 3300), draw.choice(users), draw)
    if host.name in {"web1", "web2", "app1"} and not weekend:
        for _ in range(draw.randint(1, 2)):
            visit(host, start + 3600 * draw.uniform(9, 17), "deploy", draw)


class Servers(Suite):
    """Five servers whose audit logs arrive in one place."""

    name = "auditd"

    def generate(self, normal: Log, day: Log, draw: random.Random) -> None:
        hosts = {name: Host(name, draw) for name in HOSTS}
        workers = {name: [host.next_pid() for _ in range(3)] for name, host in hosts.items()}
        for number in range(DAYS):
            for host in hosts.values():
                ordinary_day(host, START + number * DAY, workers[host.name], number % 7 >= 5)
        for host in hosts.values():
            host.flush(normal)
            ordinary_day(host, START + DAYS * DAY, workers[host.name], weekend=False)
        hours = [(host, hour) for host in ("web1", "web2") for hour in range(1, 24)]
        draw.shuffle(hours)
        for kind, (misused, act) in ATTACKS.items():
            for _ in range(3):
                if misused == "web":
                    name, hour = hours.pop()
                    through_the_application(hosts[name], hour, workers[name], kind, act, day)
                else:
                    as_user(hosts[draw.choice(HOSTS)], "deploy" if misused == "service" else "", kind, act, day)
        for host in hosts.values():
            host.flush(day)


def through_the_application(host: Host, hour: int, workers: list[int], kind: str, act: Act, day: Log) -> None:
    """The worker of the application runs what a request told it to."""
    time = START + DAYS * DAY + 3600 * hour + host.draw.uniform(120, 1800)
    worker = worker_of(host, time, workers[0])
    worker.call("connect", "php-fpm8.2", socket=("10.20.0.8", 5432), key="net")
    worker.wait(0.1, 1)
    attack = day.attack(kind, f"{host.name}:unset:php-fpm8.2@{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H}")
    act(worker.run("sh", "-c", host.draw.choice(("id", "ls -la", "uname -a")), attack=attack), host.draw, attack)


def as_user(host: Host, user: str, kind: str, act: Act, day: Log) -> None:
    """In the session of a user, from the user's address or from elsewhere; a little is as usual before."""
    draw = host.draw
    user = user or draw.choice(ADMINS + DEVELOPERS)
    time = START + DAYS * DAY + draw.uniform(0.5, 23) * 3600
    address = draw.choice((CLIENTS[user], CLIENTS[user], draw.choice(FOREIGN)))
    shell = login(host, time, user, IDS[user], address)
    attack = day.attack(kind, f"{host.name}:{shell.ses}")
    look(shell, draw)
    act(shell, draw, attack)
    logout(shell, user, address)


SUITE = Servers()
CLAIMS = [*claims("auditd", "Audit log of servers")]

if __name__ == "__main__":
    main(SUITE, __doc__)
