"""Access log of a shop: a week of visitors, then a day with 21 kinds of attackers. Cost: 10 minutes.

- Normal: visitors who browse, search, buy, read the blog and log in; a mobile app; crawlers, feed readers, monitoring,
  payment callbacks; dead links, forgotten passwords, errors of the server, harmless internet scanners. Every day brings
  blog posts, the attack day brings products too; two releases change the names of all assets.
- Attackers follow public descriptions: OWASP's testing guide and attack pages, CISA's advisories on webshells and
  Log4j, the path lists of common scanners. Each kind comes three times, from addresses and browsers like visitors'.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

from bench.detect.suites import Attack, Log, Suite, claims, main
from bench.support.web_attackers import ATTACKERS

START = datetime(2024, 4, 29, tzinfo=UTC).timestamp()
DAY, DAYS, VISITS = 86400, 7, 560
RELEASES = (3, 7)
"""Days on which a release changes the names of the assets."""
HOURS = (6, 4, 2, 1, 1, 2, 5, 12, 22, 30, 34, 36, 38, 36, 34, 33, 34, 37, 42, 50, 52, 44, 28, 14)
"""Visits per hour of the day, relative to each other."""
_WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
_PHONE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
AGENTS = [
    *(f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {_WEBKIT} Chrome/{v}.0.0.0 Safari/537.36" for v in range(121, 125)),
    *(f"Mozilla/5.0 (X11; Linux x86_64; rv:{v}.0) Gecko/20100101 Firefox/{v}.0" for v in (115, 124, 125)),
    *(
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_{v} like Mac OS X) {_PHONE} Version/17.{v} Mobile/15E148"
        for v in (2, 3, 4)
    ),
    *(f"Mozilla/5.0 (Linux; Android 1{v}; K) {_WEBKIT} Chrome/123.0.0.0 Mobile Safari/537.36" for v in (0, 3, 4)),
    f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {_PHONE} Version/17.4 Safari/605.1.15",
]
CRAWLERS = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
]
FEED_READERS = [
    "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 12 subscribers)",
    "NewsBlur Feed Fetcher - 3 subscribers",
]
APP = ["ShopApp/5.1.0 (Android 13)", "ShopApp/5.2.0 (Android 14)", "ShopApp/5.2.0 (iOS 17.4)"]
COLOURS = ("blue", "red", "green", "black", "white", "grey", "yellow", "navy", "brown", "olive")
MATERIALS = ("wool", "cotton", "linen", "silk", "denim", "fleece", "leather", "canvas")
THINGS = ("scarf", "shirt", "jacket", "hat", "socks", "gloves", "bag", "belt", "jumper", "dress")
BRANDS = ("o'neill", "levi's", "kiehl's", "h&m", "jack & jones", "marc o'polo", "arc'teryx", "dr. martens")
PEOPLE = ("anna o'neil", "d'angelo", "müller", "françois", "o'brien gift")
TOPICS = (
    "how-to-wash",
    "ten-ways-to-wear",
    "the-history-of",
    "behind-the-scenes",
    "our-new",
    "a-guide-to",
    "repairing",
)
OLD_LINKS = (
    "/catalogue.html",
    "/apple-touch-icon-precomposed.png",
    "/shop.php?item=12",
    "/news/2019/summer",
    "/ads.txt",
)
SITE = "https://shop.example"


@dataclass
class Client:
    """Writes the requests of one client to a log, one after the other."""

    log: Log
    draw: random.Random
    address: str
    agent: str
    now: float
    user: str = "-"

    def send(
        self,
        target: str,
        status: int = 200,
        attack: Attack | None = None,
        *,
        method: str = "GET",
        size: int | None = None,
        referer: str = "-",
        agent: str | None = None,
        request: str | None = None,
    ) -> None:
        """One request now; `request` replaces the whole request line."""
        when = datetime.fromtimestamp(self.now, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
        if size is None:
            size = (
                0 if status in (204, 301, 302, 304) else int(self.draw.lognormvariate(8.5 if status == 200 else 6, 0.8))
            )
        first = request if request is not None else f"{method} {target} HTTP/1.1"
        fields = [escaped(text) for text in (first, referer, agent or self.agent)]
        text = f'{self.address} - {self.user} [{when}] "{fields[0]}" {status} {size or "-"} "{fields[1]}" "{fields[2]}"'
        self.log.add(self.now, text, attack)

    def wait(self, seconds: float) -> None:
        """Wait for about this long: people wait sometimes much longer."""
        self.now += seconds * self.draw.lognormvariate(0, 0.7)


def escaped(text: str) -> str:
    """As Apache writes it to its log."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    whole = (escapes.get(char, char) for char in text)
    return "".join(
        char if " " <= char <= "~" else "".join(f"\\x{byte:02x}" for byte in char.encode()) for char in whole
    )


@dataclass
class Site:
    """What the shop has at the moment."""

    draw: random.Random
    products: list[str] = field(default_factory=list)
    posts: list[str] = field(default_factory=list)
    asset: str = ""

    def __post_init__(self) -> None:
        self.add_products(300)
        for _ in range(60):
            self.add_post()
        self.release()

    def add_products(self, count: int) -> None:
        for _ in range(count):
            parts = (self.draw.choice(words) for words in (COLOURS, MATERIALS, THINGS))
            self.products.append(f"{'-'.join(parts)}-{1000 + len(self.products)}")

    def add_post(self) -> None:
        parts = (self.draw.choice(words) for words in (TOPICS, MATERIALS, THINGS))
        self.posts.append(f"{'-'.join(parts)}-{len(self.posts)}")

    def release(self) -> None:
        self.asset = f"{self.draw.getrandbits(32):08x}"

    def product(self) -> str:
        """A product; some are asked for much more often than others."""
        return self.products[min(int(self.draw.expovariate(1 / 60)), len(self.products) - 1)]

    def post(self) -> str:
        """A blog post, more likely a new one."""
        return self.posts[-1 - min(int(self.draw.expovariate(1 / 6)), len(self.posts) - 1)]


class Visitor:
    """A person with a browser. Each method is a step of a visit."""

    def __init__(self, client: Client, site: Site) -> None:
        self.client, self.site, self.draw = client, site, client.draw
        self.cached, self.page = self.draw.random() < 0.35, "-"

    def open(self, path: str, status: int = 200, images: int = 0, method: str = "GET") -> None:
        """A page with its assets, after a while of reading."""
        client, site = self.client, self.site
        client.send(path, 500 if self.draw.random() < 0.001 else status, method=method, referer=self.page)
        if status in (301, 302):
            client.now += self.draw.uniform(0.1, 0.4)
            return
        self.page = SITE + path
        if not self.cached:
            self.cached = True
            for asset in (
                f"/static/site.{site.asset}.css",
                f"/static/app.{site.asset}.js",
                "/static/logo.svg",
                "/favicon.ico",
            ):
                client.now += self.draw.uniform(0, 0.3)
                client.send(asset, self.draw.choices((200, 304), (9, 1))[0], referer=self.page)
        for _ in range(images):
            client.now += self.draw.uniform(0, 0.2)
            client.send(
                f"/images/p/{site.product().rsplit('-', 1)[1]}-m.webp",
                self.draw.choices((200, 304), (4, 1))[0],
                referer=self.page,
            )
        client.wait(18)

    def land(self) -> None:
        """The first page: home, a search engine's result, a newsletter's or a social network's link."""
        self.page = self.draw.choice(("-", "https://www.google.com/", "https://www.bing.com/", "https://t.co/"))
        way = self.draw.random()
        if way < 0.5:
            self.open("/", images=4)
        elif way < 0.75:
            self.open(f"/products/{self.site.product()}", images=3)
        elif way < 0.85:
            self.open(
                f"/?utm_source=newsletter&utm_medium=email&utm_campaign=week{self.draw.randint(17, 19)}", images=4
            )
        elif way < 0.92:
            self.open(f"/products/{self.site.product()}?fbclid=IwAR{self.draw.getrandbits(160):040x}", images=3)
        else:
            self.open(f"/blog/{self.site.post()}", images=1)

    def browse(self) -> None:
        """A category, some of its pages and products."""
        category = self.draw.choice(THINGS)
        self.open(f"/category/{category}", images=6)
        if self.draw.random() < 0.3:
            self.open(
                f"/category/{category}?page={self.draw.randint(2, 5)}&sort={self.draw.choice(('price', 'new'))}",
                images=6,
            )
        for _ in range(self.draw.randint(1, 4)):
            self.open(f"/products/{self.site.product()}", images=3)

    def search(self) -> None:
        """A search in free text, people's spelling included."""
        words = [self.draw.choice((*COLOURS, *MATERIALS, *THINGS)) for _ in range(self.draw.randint(1, 3))]
        odd = self.draw.random()
        if odd < 0.08:
            words.insert(0, self.draw.choice(BRANDS))
        elif odd < 0.11:
            words = [self.draw.choice(PEOPLE)]
        elif odd < 0.14:
            words = [f'"{" ".join(words)}"', self.draw.choice(("", "50% off", "size 42 (wide)", "-leather", "a/b"))]
        text = " ".join(word for word in words if word)
        self.open(f"/search?q={quote_plus(text) if self.draw.random() < 0.8 else quote(text, safe=chr(39))}", images=5)
        if self.draw.random() < 0.7:
            self.open(f"/products/{self.site.product()}", images=3)

    def read(self) -> None:
        """The blog, and a few of its posts."""
        self.open("/blog", images=2)
        for _ in range(self.draw.randint(1, 3)):
            self.open(f"/blog/{self.site.post()}", images=1)

    def log_in(self) -> None:
        """With a wrong password now and then."""
        self.open("/login")
        while self.draw.random() < 0.15:
            self.open("/login", 401, method="POST")
        self.open("/login", 302, method="POST")
        self.open("/account")

    def account(self) -> None:
        """Own orders, sometimes a changed address or a forgotten password."""
        if self.draw.random() < 0.1:
            self.open("/password/reset")
            self.open("/password/reset", 302, method="POST")
            self.open(f"/password/new?token={self.draw.getrandbits(128):032x}")
            self.open("/password/new", 302, method="POST")
        self.log_in()
        for _ in range(self.draw.randint(1, 3)):
            self.open(f"/account/orders/{self.draw.randint(10000, 19999)}")
        if self.draw.random() < 0.2:
            self.open("/account/address")
            self.open("/account/address", 302, method="POST")

    def buy(self) -> None:
        """Products in the cart, a checkout, an order."""
        self.browse()
        for _ in range(self.draw.choice((1, 1, 1, 2, 3))):
            self.open("/cart/add", 302, method="POST")
            self.open("/cart", images=2)
        if self.draw.random() < 0.7:
            if self.draw.random() < 0.5:
                self.log_in()
            self.open("/checkout", images=1)
            self.open("/checkout/address", 302, method="POST")
            self.open("/checkout/payment")
            self.open("/checkout/payment", 302, method="POST")
            self.open(f"/checkout/done?order={self.draw.randint(10000, 19999)}")

    def visit(self) -> None:
        self.land()
        steps = (self.browse, self.search, self.buy, self.read, self.account)
        for step in self.draw.choices(steps, (45, 20, 15, 12, 8), k=self.draw.choice((1, 1, 1, 2, 2, 3))):
            step()
        if self.draw.random() < 0.02:
            self.open(self.draw.choice(OLD_LINKS), 404)


def use_app(client: Client, site: Site) -> None:
    """The mobile app: JSON over an API."""
    client.send("/api/v2/config")
    if client.draw.random() < 0.2:
        client.send("/api/v2/login", 200, method="POST")
    for _ in range(client.draw.randint(2, 9)):
        client.wait(6)
        client.send(f"/api/v2/products?category={client.draw.choice(THINGS)}&page={client.draw.randint(1, 4)}")
        client.wait(6)
        client.send(f"/api/v2/products/{site.product().rsplit('-', 1)[1]}")
    if client.draw.random() < 0.2:
        client.send("/api/v2/cart", 201, method="POST")


def crawl(client: Client, site: Site) -> None:
    """A search engine's crawler: pages only, at its own pace."""
    client.send("/robots.txt")
    if client.draw.random() < 0.3:
        client.send("/sitemap.xml")
    for _ in range(client.draw.randint(3, 60)):
        client.wait(25)
        kind = client.draw.random()
        path = (
            f"/products/{client.draw.choice(site.products)}"
            if kind < 0.6
            else f"/blog/{client.draw.choice(site.posts)}"
        )
        path = (
            path
            if kind < 0.85
            else client.draw.choice((*OLD_LINKS[:4], "/", f"/category/{client.draw.choice(THINGS)}?page=2"))
        )
        client.send(path, 404 if path in OLD_LINKS else client.draw.choices((200, 304), (3, 1))[0])


class Traffic:
    """All that is normal."""

    def __init__(self, draw: random.Random) -> None:
        self.draw, self.site = draw, Site(draw)
        self.regulars = [(self.new_address(), draw.choice(AGENTS)) for _ in range(400)]
        self.robots = [(self.new_address(), agent) for agent in CRAWLERS for _ in range(6)]
        self.readers = [(self.new_address(), draw.choice(FEED_READERS)) for _ in range(6)]
        self.monitor, self.payment = self.new_address(), self.new_address()

    def new_address(self) -> str:
        """From the ranges that are reserved for tests and documentation."""
        if self.draw.random() < 0.12:
            return (
                f"2001:db8:{self.draw.getrandbits(16):x}:{self.draw.getrandbits(16):x}::{self.draw.randint(1, 999):x}"
            )
        return f"198.{self.draw.choice((18, 19))}.{self.draw.randint(0, 255)}.{self.draw.randint(1, 254)}"

    def moment(self, day: int) -> float:
        """A moment of the day, as visitors choose it."""
        return START + DAY * day + 3600 * (self.draw.choices(range(24), HOURS)[0] + self.draw.random())

    def write(self, log: Log, day: int) -> None:
        """One day."""
        self.site.add_post()
        if day == DAYS:
            self.site.add_products(10)
        if day in RELEASES:
            self.site.release()
        for _ in range(VISITS):
            address, agent = (
                self.draw.choice(self.regulars)
                if self.draw.random() < 0.3
                else (self.new_address(), self.draw.choice(AGENTS))
            )
            Visitor(Client(log, self.draw, address, agent, self.moment(day)), self.site).visit()
        for _ in range(VISITS // 12):
            use_app(Client(log, self.draw, self.new_address(), self.draw.choice(APP), self.moment(day)), self.site)
        for address, agent in self.draw.sample(self.robots, 12):
            crawl(Client(log, self.draw, address, agent, START + DAY * (day + self.draw.random())), self.site)
        self.background(log, day)

    def background(self, log: Log, day: int) -> None:
        """Robots that come at their hours, and the internet's harmless scanners."""
        midnight = START + DAY * day
        for address, agent in self.readers:
            for hour in range(0, 24, 3):
                client = Client(log, self.draw, address, agent, midnight + 3600 * (hour + self.draw.random()))
                client.send("/feed.xml", self.draw.choices((200, 304), (1, 4))[0])
        for minute in range(0, 1440, 5):
            Client(log, self.draw, self.monitor, "UptimeRobot/2.0", midnight + 60 * minute).send("/health", size=2)
        for _ in range(20):
            client = Client(log, self.draw, self.payment, "PaymentService/1.4", self.moment(day))
            client.send("/webhooks/payment", 204, method="POST")
        for _ in range(6):
            client = Client(
                log,
                self.draw,
                self.new_address(),
                "Mozilla/5.0 (compatible; CensysInspect/1.1; +https://about.censys.io/)",
                midnight + DAY * self.draw.random(),
            )
            client.send("/", 200)
            client.send("/favicon.ico", 200)


class Shop(Suite):
    name, entity = "web", "address"

    def generate(self, normal: Log, day: Log, draw: random.Random) -> None:
        traffic = Traffic(draw)
        for number in range(DAYS):
            traffic.write(normal, number)
        traffic.write(day, DAYS)
        for kind, attacker in ATTACKERS.items():
            for _ in range(3):
                hour = 3 if kind.startswith("account takeover") else draw.uniform(1, 21)
                client = Client(
                    day,
                    draw,
                    traffic.new_address(),
                    draw.choice(AGENTS),
                    START + DAY * DAYS + 3600 * hour + draw.uniform(0, 3000),
                )
                attacker(client, Visitor(client, traffic.site), day.attack(kind, client.address))


SUITE = Shop()
CLAIMS = [*claims("web", "Access log of a shop")]

if __name__ == "__main__":
    main(SUITE, __doc__)
