"""Attackers of an AWS account, made after public descriptions; each writes one attack to the log.

An attacker has the account, whose identities it uses; the log; the time at which it begins; and the kind of its attack.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from bench.detect.suites import Attack, Log

if TYPE_CHECKING:
    from bench.detect.suite_cloudtrail import Account, Caller

Attacker = Callable[["Account", Log, float, str], None]

AGENTS = (
    "aws-cli/1.22.34 Python/3.10.6 Linux/5.19.0-kali2-amd64 botocore/1.23.34",
    "Boto3/1.26.90 Python/3.11.2 Linux/6.1.0-kali5-amd64 Botocore/1.29.90",
    "aws-sdk-go-v2/1.17.7 os/windows lang/go/1.20",
)  # fmt: skip
ENUMERATION = (
    "iam:ListUsers", "iam:ListRoles", "iam:ListAttachedUserPolicies", "iam:GetAccountAuthorizationDetails",
    "s3:ListBuckets", "ec2:DescribeInstances", "ec2:DescribeSecurityGroups", "lambda:ListFunctions20150331",
    "secretsmanager:ListSecrets", "rds:DescribeDBInstances", "organizations:ListAccounts", "ses:GetSendQuota",
    "kms:ListKeys", "ssm:DescribeParameters",
)  # fmt: skip


def outside(account: "Account") -> str:
    """An address that the account has not seen."""
    return f"203.0.113.{account.draw.randint(1, 254)}"


def keys_of_person(account: "Account", log: Log, now: float, kind: str) -> tuple["Caller", Attack]:
    """The keys of a developer; half of the time from the developer's own machine and tool."""
    caller = account.person(log, account.draw.choice(account.people[:10]), now)
    if account.draw.random() < 0.5:
        caller.address, caller.agent = outside(account), account.draw.choice(AGENTS)
    return caller, log.attack(kind, caller.entity)


def keys_of_role(account: "Account", log: Log, now: float, kind: str) -> tuple["Caller", Attack]:
    """The keys that an instance or a function has for its role."""
    if account.draw.random() < 0.5:
        session = f"i-0{account.draw.randint(1, 10):016x}"
        caller = account.role(log, "web", session, now, account.draw.choice(AGENTS))
    else:
        caller = account.function(log, account.draw.choice(("orders", "thumbnails", "metrics")), now)
        caller.agent = account.draw.choice(AGENTS)
    if account.draw.random() < 0.5:
        caller.address = outside(account)
    return caller, log.attack(kind, caller.entity)


def keys(account: "Account", log: Log, now: float, kind: str) -> tuple["Caller", Attack]:
    return (keys_of_person if account.draw.random() < 0.5 else keys_of_role)(account, log, now, kind)


def root_login(account: "Account", log: Log, now: float, kind: str) -> None:
    """The owner of the account, without a second factor."""
    caller = account.root(log, now)
    attack = log.attack(kind, caller.entity)
    account.log_in(caller, "Success", "No", attack)
    caller.wait(30)
    for name in account.draw.sample(
        ("iam:CreateAccessKey", "iam:ListUsers", "s3:ListBuckets", "iam:DeactivateMFADevice"), 3
    ):
        caller.wait(20)
        caller.call(name, attack=attack)


def stop_logging(account: "Account", log: Log, now: float, kind: str) -> None:
    caller, attack = keys_of_person(account, log, now, kind)
    caller.call("cloudtrail:DescribeTrails", attack=attack)
    caller.wait(15)
    for name in account.draw.sample(
        ("StopLogging", "DeleteTrail", "UpdateTrail", "PutEventSelectors"), account.draw.randint(1, 3)
    ):
        caller.call(f"cloudtrail:{name}", attack=attack, parameters={"name": "management"})
    if account.draw.random() < 0.5:
        caller.call("guardduty:DeleteDetector", attack=attack)


def keys_for_others(account: "Account", log: Log, now: float, kind: str) -> None:
    caller, attack = keys_of_person(account, log, now, kind)
    caller.call("iam:ListUsers", attack=attack)
    for who in account.draw.sample(account.people, account.draw.randint(1, 5)):
        caller.wait(10)
        caller.call("iam:CreateAccessKey", attack=attack, parameters={"userName": who})


def new_administrator(account: "Account", log: Log, now: float, kind: str) -> None:
    caller, attack = keys(account, log, now, kind)
    name = account.draw.choice(("support-1", "aws-backup", "deploy2"))
    caller.call("iam:CreateUser", attack=attack, parameters={"userName": name})
    caller.wait(5)
    policy = {"userName": name, "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}
    caller.call("iam:AttachUserPolicy", attack=attack, parameters=policy)
    caller.wait(5)
    caller.call(account.draw.choice(("iam:CreateLoginProfile", "iam:CreateAccessKey")), attack=attack)


def secrets(account: "Account", log: Log, now: float, kind: str) -> None:
    """All secrets, one after the other."""
    caller, attack = keys(account, log, now, kind)
    caller.call("secretsmanager:ListSecrets", attack=attack)
    for number in range(account.draw.randint(8, 30)):
        caller.call("secretsmanager:GetSecretValue", attack=attack, parameters={"secretId": f"shop/secret-{number}"})


def bucket_theft(account: "Account", log: Log, now: float, kind: str) -> None:
    """Lists the buckets, and takes hundreds of objects of one."""
    caller, attack = keys(account, log, now, kind)
    caller.call("s3:ListBuckets", attack=attack)
    caller.call("s3:ListObjects", attack=attack, parameters={"bucketName": "shop-exports"})
    for number in range(account.draw.randint(150, 500)):
        caller.now += account.draw.uniform(0, 0.3)
        key = f"customers/part-{number:05}.csv"
        caller.call("s3:GetObject", attack=attack, parameters={"bucketName": "shop-exports", "key": key})


def public_bucket(account: "Account", log: Log, now: float, kind: str) -> None:
    caller, attack = keys_of_person(account, log, now, kind)
    caller.call("s3:GetBucketPolicy", attack=attack, parameters={"bucketName": "shop-invoices"})
    if account.draw.random() < 0.6:
        caller.call("s3:DeleteBucketPublicAccessBlock", attack=attack, parameters={"bucketName": "shop-invoices"})
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::shop-invoices/*",
    }
    parameters = {"bucketName": "shop-invoices", "bucketPolicy": {"Statement": [statement]}}
    caller.call("s3:PutBucketPolicy", attack=attack, parameters=parameters)


def mining(account: "Account", log: Log, now: float, kind: str) -> None:
    """Many large instances, in regions that nobody uses."""
    caller, attack = keys(account, log, now, kind)
    for region in account.draw.sample(
        ("ap-southeast-1", "us-west-2", "sa-east-1", "ap-northeast-2"), account.draw.randint(1, 3)
    ):
        caller.region = region
        caller.call("ec2:DescribeInstanceTypeOfferings", attack=attack)
        caller.call("ec2:CreateKeyPair", attack=attack)
        for _ in range(account.draw.randint(2, 8)):
            error = account.draw.choice(("", "", "Client.InstanceLimitExceeded"))
            caller.call("ec2:RunInstances", error, attack, parameters={"instanceType": "p4d.24xlarge", "maxCount": 10})


def open_port(account: "Account", log: Log, now: float, kind: str) -> None:
    caller, attack = keys_of_person(account, log, now, kind)
    caller.call("ec2:DescribeSecurityGroups", attack=attack)
    for port in account.draw.sample((22, 3389, 5432, 6379, 0), account.draw.randint(1, 3)):
        caller.wait(8)
        rule = {
            "ipProtocol": "tcp",
            "fromPort": port,
            "toPort": port or 65535,
            "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]},
        }
        parameters = {"groupId": "sg-0123", "ipPermissions": {"items": [rule]}}
        caller.call("ec2:AuthorizeSecurityGroupIngress", attack=attack, parameters=parameters)


def role_chain(account: "Account", log: Log, now: float, kind: str) -> None:
    """Takes one role after the other."""
    caller, attack = keys(account, log, now, kind)
    caller.call("iam:ListRoles", attack=attack)
    for role in account.draw.sample(
        ("ci", "backup", "monitoring", "admin", "billing", "web"), account.draw.randint(3, 6)
    ):
        caller.wait(4)
        parameters = {"roleArn": f"arn:aws:iam::111122223333:role/{role}", "roleSessionName": "test"}
        caller.call(
            "sts:AssumeRole", account.draw.choice(("AccessDenied", "AccessDenied", "")), attack, parameters=parameters
        )


def console_guessing(account: "Account", log: Log, now: float, kind: str) -> None:
    """Passwords of one user at the console, until one fits or none."""
    caller = account.person(log, account.draw.choice(account.people), now)
    caller.address, caller.agent = outside(account), "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/119.0.0.0"
    attack = log.attack(kind, caller.entity)
    for _ in range(account.draw.randint(12, 60)):
        account.log_in(caller, "Failure", "No", attack)
        caller.wait(10)
    if account.draw.random() < 0.5:
        account.log_in(caller, "Success", "No", attack)


def enumeration(account: "Account", log: Log, now: float, kind: str) -> None:
    """Who am I, and what may I do: most is denied."""
    caller, attack = keys(account, log, now, kind)
    caller.call("sts:GetCallerIdentity", attack=attack)
    for name in account.draw.sample(ENUMERATION, account.draw.randint(7, len(ENUMERATION))):
        caller.call(name, account.draw.choice(("AccessDenied", "AccessDenied", "")), attack)


def share_snapshot(account: "Account", log: Log, now: float, kind: str) -> None:
    """A copy of a disk or a database for another account."""
    caller, attack = keys_of_person(account, log, now, kind)
    database = account.draw.random() < 0.5
    caller.call("rds:DescribeDBSnapshots" if database else "ec2:DescribeSnapshots", attack=attack)
    caller.call("rds:CreateDBSnapshot" if database else "ec2:CreateSnapshot", attack=attack)
    caller.wait(120)
    parameters = {"attributeName": "restore", "valuesToAdd": ["999988887777"]}
    name = "rds:ModifyDBSnapshotAttribute" if database else "ec2:ModifySnapshotAttribute"
    caller.call(name, attack=attack, parameters=parameters)


def password_policy(account: "Account", log: Log, now: float, kind: str) -> None:
    caller, attack = keys_of_person(account, log, now, kind)
    caller.call("iam:GetAccountPasswordPolicy", attack=attack)
    caller.wait(20)
    parameters = {"minimumPasswordLength": 6, "requireNumbers": False, "requireSymbols": False}
    caller.call("iam:UpdateAccountPasswordPolicy", attack=attack, parameters=parameters)


def key_deletion(account: "Account", log: Log, now: float, kind: str) -> None:
    """Keys without which nothing can be read any more."""
    caller, attack = keys_of_person(account, log, now, kind)
    caller.call("kms:ListKeys", attack=attack)
    for _ in range(account.draw.randint(1, 5)):
        caller.wait(5)
        parameters = {"keyId": f"{account.draw.getrandbits(32):08x}", "pendingWindowInDays": 7}
        caller.call(
            account.draw.choice(("kms:ScheduleKeyDeletion", "kms:DisableKey")), attack=attack, parameters=parameters
        )


def function_door(account: "Account", log: Log, now: float, kind: str) -> None:
    """A function that anybody may call, with a role that may do more."""
    caller, attack = keys_of_person(account, log, now, kind)
    caller.call("iam:PassRole", attack=attack, parameters={"roleName": "admin"})
    caller.call("lambda:CreateFunction20150331", attack=attack, parameters={"functionName": "sync", "role": "admin"})
    caller.wait(10)
    caller.call("lambda:AddPermission20150331v2", attack=attack, parameters={"principal": "*"})
    caller.call("lambda:CreateFunctionUrlConfig", attack=attack, parameters={"authType": "NONE"})


def remote_commands(account: "Account", log: Log, now: float, kind: str) -> None:
    """Commands on the instances, by way of their management."""
    caller, attack = keys(account, log, now, kind)
    caller.call("ssm:DescribeInstanceInformation", attack=attack)
    for _ in range(account.draw.randint(1, 6)):
        caller.wait(12)
        parameters = {"documentName": "AWS-RunShellScript", "instanceIds": [f"i-0{account.draw.randint(1, 30):016x}"]}
        caller.call(account.draw.choice(("ssm:SendCommand", "ssm:StartSession")), attack=attack, parameters=parameters)


ATTACKERS: dict[str, Attacker] = {
    "root login": root_login,
    "stop logging": stop_logging,
    "keys for others": keys_for_others,
    "new administrator": new_administrator,
    "secrets": secrets,
    "bucket theft": bucket_theft,
    "public bucket": public_bucket,
    "mining": mining,
    "open port": open_port,
    "role chain": role_chain,
    "console guessing": console_guessing,
    "enumeration": enumeration,
    "share snapshot": share_snapshot,
    "password policy": password_policy,
    "key deletion": key_deletion,
    "function door": function_door,
    "remote commands": remote_commands,
}
