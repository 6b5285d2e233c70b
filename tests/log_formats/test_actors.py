import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.actors import address_in, is_address, user_in, who, with_marks


@pytest.mark.parametrize(
    ("message", "user", "address"),
    [
        ("Invalid user x from 1.2.3.4 port 5", "x", "1.2.3.4"),
        ("Invalid user  from 1.2.3.4 port 5", "", "1.2.3.4"),
        ("Failed password for root from 1.2.3.4 port 22 ssh2", "root", "1.2.3.4"),
        ("Failed password for invalid user admin from 1.2.3.4 port 22 ssh2", "admin", "1.2.3.4"),
        ("Failed none for root from 1.2.3.4", "root", "1.2.3.4"),
        ("Accepted publickey for ann from 2001:db8::1 port 5 ssh2: RSA SHA256:abc", "ann", "2001:db8::1"),
        ("Accepted keyboard-interactive/pam for ann from 1.2.3.4 port 5 ssh2", "ann", "1.2.3.4"),
        ("Disconnected from authenticating user root 1.2.3.4 port 22 [preauth]", "root", "1.2.3.4"),
        ("Disconnected from user ann 1.2.3.4 port 22", "ann", "1.2.3.4"),
        ("Connection closed by invalid user oracle 1.2.3.4 port 22 [preauth]", "oracle", "1.2.3.4"),
        ("Connection reset by authenticating user root 1.2.3.4 port 22 [preauth]", "root", "1.2.3.4"),
        ("Connection closed by 1.2.3.4 port 22 [preauth]", "", "1.2.3.4"),
        ("Received disconnect from 1.2.3.4 port 22:11: Bye Bye [preauth]", "", "1.2.3.4"),
        ("Did not receive identification string from 1.2.3.4 port 22", "", "1.2.3.4"),
        ("User root from 1.2.3.4 not allowed because not listed in AllowUsers", "root", "1.2.3.4"),
        (
            "error: maximum authentication attempts exceeded for root from 1.2.3.4 port 5 ssh2 [preauth]",
            "root",
            "1.2.3.4",
        ),
        ("error: PAM: Authentication failure for root from 1.2.3.4", "root", "1.2.3.4"),
        ("Starting session: shell on pts/0 for ann from 1.2.3.4 port 5 id 0", "ann", "1.2.3.4"),
        ("message repeated 2 times: [ Failed password for root from 1.2.3.4 port 22 ssh2]", "root", "1.2.3.4"),
        ("input_userauth_request: invalid user oracle [preauth]", "oracle", ""),
        ("pam_unix(sshd:session): session opened for user ann(uid=1000) by (uid=0)", "ann", ""),
        ("pam_unix(sshd:session): session closed for user ann", "ann", ""),
        (
            "pam_unix(sshd:auth): authentication failure; uid=0 tty=ssh ruser= rhost=1.2.3.4  user=root",
            "root",
            "1.2.3.4",
        ),
        ("pam_unix(sshd:auth): check pass; user unknown", "", ""),
        ("authentication failure; ruser= rhost=5.36.59.76.dsl.example  user=root", "root", "5.36.59.76.dsl.example"),
        ("Disconnecting: Too many authentication failures for root [preauth]", "root", ""),
        (
            "reverse mapping checking getaddrinfo for a.example [1.2.3.4] failed - POSSIBLE BREAK-IN ATTEMPT!",
            "",
            "1.2.3.4",
        ),
        ("ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/bin/ls", "ann", ""),
        ("     ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/bin/ls", "ann", ""),
        ("     bob : user NOT in sudoers ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/bash", "bob", ""),
        ("ann/1.2.3.4:40000 MULTI: Learn: 10.8.0.6 -> ann/1.2.3.4:40000", "ann", "1.2.3.4"),
        ("password for ann refused", "ann", ""),
        ("(root) CMD (run-parts /etc/cron.hourly)", "root", ""),
        ("new user: name=ann, UID=1001, GID=1001", "ann", ""),
        ("New session 5 of user ann.", "ann", ""),
        ("imap-login: Login: user=<ann>, method=PLAIN, rip=1.2.3.4, lip=5.6.7.8", "ann", "1.2.3.4"),
        ("Access denied for user 'root'@'1.2.3.4' (using password: YES)", "root", "1.2.3.4"),
        ("connect from unknown[1.2.3.4]", "", "1.2.3.4"),
        ("user agent was not known", "", ""),
        ("Connection from 6.6.6.6 port 50000 on 10.0.0.5 port 22", "", "6.6.6.6"),
        ('Connection from 2001:db8::6 port 50000 on 2001:db8::5 port 22 rdomain ""', "", "2001:db8::6"),
        ("Server listening on 0.0.0.0 port 22.", "", ""),
        ("Server listening on :: port 22.", "", ""),
        ("Timeout for response from 1.2.3.4 port 80", "", "1.2.3.4"),
    ],
)
def test_a_message_names_user_and_address(message: str, user: str, address: str) -> None:
    assert who(message) == (user, address)


@pytest.mark.parametrize(
    ("message", "user", "address"),
    [
        ("Invalid user root from 8.8.8.8 port 1 from 1.2.3.4 port 5", "root from 8.8.8.8 port 1", "1.2.3.4"),
        ("Failed password for invalid user a from 8.8.8.8 from 1.2.3.4 port 5 ssh2", "a from 8.8.8.8", "1.2.3.4"),
        ("Disconnected from invalid user 8.8.8.8 port 1 1.2.3.4 port 22 [preauth]", "8.8.8.8 port 1", "1.2.3.4"),
        ("Received disconnect from 1.2.3.4 port 5:11: x from 8.8.8.8 port 22 [preauth]", "", "1.2.3.4"),
        (
            "Unable to negotiate with 6.6.6.6 port 3434: no matching cipher found. Their offer: a 8.8.8.8 port 22",
            "",
            "6.6.6.6",
        ),
        (
            "Disconnecting invalid user a 6.6.6.6 port 33: Change of username or service not allowed: "
            "(a,ssh-connection) -> (x 8.8.8.8 port 22 ,ssh-connection) [preauth]",
            "a",
            "6.6.6.6",
        ),
        (
            "Disconnecting invalid user a 6.6.6.6 port 33: Change of username or service not allowed: "
            "(x 8.8.8.8 port 22 ,ssh-connection)",
            "a",
            "6.6.6.6",
        ),
        (
            "Disconnecting: Change of username or service not allowed: (a,ssh-connection) -> (8.8.8.8 port 22,x)",
            "",
            "",
        ),
        (
            "Disconnecting user a 8.8.8.8 port 1: x 6.6.6.6 port 33: Too many authentication failures [preauth]",
            "a 8.8.8.8 port 1: x",
            "6.6.6.6",
        ),
        (
            'error: kex_exchange_identification: client sent invalid protocol identifier "GET 8.8.8.8 port 22"',
            "",
            "",
        ),
        ('error: kex_exchange_identification: client sent invalid protocol identifier "user=a 8.8.8.8"', "", ""),
        ("Bad protocol version identification 'GET http://8.8.8.8/' from 6.6.6.6 port 5", "", "6.6.6.6"),
        ("Bad protocol version identification 'GET http://8.8.8.8/' from 6.6.6.6", "", "6.6.6.6"),
        ("banner exchange: Connection from 6.6.6.6 port 1234: invalid format", "", "6.6.6.6"),
        ("error: Protocol major versions differ for 6.6.6.6 port 1: SSH-2.0-a vs. SSH-8.8.8.8 port 2", "", "6.6.6.6"),
    ],
)
def test_a_client_cannot_write_another_address(message: str, user: str, address: str) -> None:
    assert who(message) == (user, address)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("src: /10.250.19.102:54106 dest: /10.250.10.6:50010", "10.250.19.102"),
        ("http://1.2.3.4/x", "1.2.3.4"),
        ("SRC=1.2.3.4 DST=5.6.7.8", "1.2.3.4"),
        ("outside:1.2.3.4/5", "1.2.3.4"),
        ("blocked 1.2.3.4.", "1.2.3.4"),
        ("from ::ffff:1.2.3.4 port", "1.2.3.4"),
        ("from 2001:db8:0:0:0:0:0:7, closed", "2001:db8:0:0:0:0:0:7"),
        ("link fe80::1%eth0: up", "fe80::1%eth0"),
        ("from ::1: refused", "::1"),
        ("at 10:00:00 and 23:59:59.123", ""),
        ("mac aa:bb:cc:dd:ee:ff", ""),
        ("MAC=aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:08:00", ""),
        ("std::string a::b dead::beef", ""),
        ("Chrome/120.0.0.0", ""),
        ("v1.2.3.4 and version 1.2.3.4", ""),
        ("1.3.6.1.4.1", ""),
        ("Package~amd64~~6.1.1.2", ""),
        ("999.1.1.1", ""),
        ("1.2.3", ""),
    ],
)
def test_only_addresses_are_addresses(text: str, address: str) -> None:
    assert address_in(text) == address


def test_a_word_is_an_address_or_not() -> None:
    assert [is_address(word) for word in ("1.2.3.4", "::1", "1.2.3.400", "10:00:00", "x")] == [
        True,
        True,
        False,
        False,
        False,
    ]


def test_a_change_of_the_user_that_can_be_read_in_two_ways_names_nobody() -> None:
    change = "Change of username or service not allowed: ("
    name = f"x 8.8.8.8 port 1: {change}x,"
    assert who(f"Disconnecting user {name} 6.6.6.6 port 33: {change}{name},s) -> (b,s)") == ("", "")


def test_strong_marks_are_added_to_the_text() -> None:
    assert with_marks("login of ${jndi:x}") == ("login of ${jndi:x} {scheme,template}", "scheme,template")
    assert with_marks("it's <b>done</b>; ok") == ("it's <b>done</b>; ok", "")


@given(text=st.text(max_size=200) | st.text(st.sampled_from("0123456789abcdef:.% userfromport="), max_size=80))
def test_any_text_gives_a_user_and_an_address_of_its_own(text: str) -> None:
    user, address = who(text)
    assert user in text
    assert address in text
    assert not address or "rhost=" in text or " port " in text or is_address(address.partition("%")[0])


@pytest.mark.parametrize(
    "filling",
    [
        "1.",
        "a:",
        ":",
        "user ",
        " for ",
        " port ",
        " from ",
        "1",
        "(",
        "user=",
        " : ",
        ": Change of username or service not allowed: (",
    ],
)
def test_a_huge_text_takes_no_time(filling: str) -> None:
    text = filling * (1_000_000 // len(filling))
    who(text)
    user_in(text)
    with_marks(text)
