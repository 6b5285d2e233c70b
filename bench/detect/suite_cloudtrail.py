"""CloudTrail of an AWS account: a week of work, then a day with 17 kinds of attackers. Cost: 10 minutes.

- Normal: functions and services with roles of their own, CI that deploys, backups, a monitoring service that reads all
  there is, developers with the console or the command line, administrators who create users and keys now and then.
- Attackers follow public descriptions: MITRE ATT&CK's cloud matrix, AWS's own incident playbooks, the attack scenarios
  of Stratus Red Team. Each kind comes three times; most use the keys of a person or of a role.
"""

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bench.detect.suites import Attack, Log, Suite, claims, main
from bench.support.cloudtrail_attackers import ATTACKERS

START = datetime(2024, 4, 29, tzinfo=UTC).timestamp()
DAY, DAYS = 86400, 7
ACCOUNT, REGION = "111122223333", "eu-west-1"
DEVELOPERS = ("ann", "bob", "erin", "frank", "grace", "heidi", "ivan", "judy", "ken", "lena")
ADMINISTRATORS = ("carol", "dave")
TOOLS = (
    "aws-cli/2.15.30 Python/3.11.8 Linux/6.5.0 exe/x86_64",
    "aws-cli/2.15.38 Python/3.11.8 Darwin/23.4.0 exe/arm64",
    "APN/1.0 HashiCorp/1.0 Terraform/1.7.5",
)
CONSOLE = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0"
FUNCTIONS = {
    "orders": (1, "dynamodb:GetItem, dynamodb:PutItem, sqs:SendMessage"),
    "invoices": (2, "s3:GetObject, s3:PutObject, ses:SendEmail, secretsmanager:GetSecretValue"),
    "thumbnails": (1, "s3:GetObject, s3:PutObject"),
    "reports": (4, "athena:StartQueryExecution, athena:GetQueryExecution, s3:GetObject, s3:PutObject"),
    "cleanup": (6, "s3:ListObjects, s3:DeleteObject"),
    "metrics": (1, "cloudwatch:PutMetricData, dynamodb:DescribeTable"),
    "stock": (1, "dynamodb:Query, dynamodb:UpdateItem, sns:Publish"),
    "newsletter": (3, "dynamodb:Scan, ses:SendEmail, ses:SendEmail"),
    "search-index": (1, "s3:ListObjects, s3:GetObject, dynamodb:Query"),
}
"""Function, hours between two runs, and the calls of a run."""
READS = (
    "ec2:DescribeInstances, ec2:DescribeSecurityGroups, ec2:DescribeVolumes, rds:DescribeDBInstances, s3:ListBuckets, "
    "s3:GetBucketPolicy, iam:ListUsers, iam:ListRoles, lambda:ListFunctions20150331, kms:ListKeys, "
    "cloudtrail:DescribeTrails"
)
"""What the monitoring service and administrators look at."""
STEPS = {
    "ec2:DescribeInstances, ec2:DescribeInstanceStatus": 20,
    "logs:DescribeLogGroups, logs:FilterLogEvents, logs:FilterLogEvents": 22,
    "s3:ListBuckets, s3:ListObjects, s3:GetObject": 14,
    "lambda:ListFunctions20150331, lambda:GetFunction20150331v2": 14,
    "lambda:UpdateFunctionCode20150331v2, lambda:GetFunction20150331v2": 6,
    "cloudformation:DescribeStacks, cloudformation:DescribeStackEvents": 10,
    "dynamodb:DescribeTable, dynamodb:Scan": 6,
    "rds:DescribeDBInstances": 5,
    "secretsmanager:ListSecrets, secretsmanager:GetSecretValue": 3,
    "iam:ListAccessKeys, iam:GetUser": 3,
    "ec2:StopInstances, ec2:DescribeInstances, ec2:StartInstances": 3,
}
"""What developers do, and how often."""


@dataclass
class Caller:
    """Writes the calls of one identity to a log, one after the other."""

    log: Log
    draw: random.Random
    identity: dict[str, Any]
    address: str
    agent: str
    now: float
    region: str = REGION

    @property
    def entity(self) -> str:
        """As the format of the log names the user."""
        return str(self.identity["arn"])

    def call(
        self,
        name: str,
        error: str = "",
        attack: Attack | None = None,
        *,
        parameters: dict[str, Any] | None = None,
        response: dict[str, Any] | None = None,
        more: dict[str, Any] | None = None,
    ) -> None:
        """One call now, such as `ec2:RunInstances`."""
        service, _, action = name.partition(":")
        reading = action.startswith(("Describe", "List", "Get", "Head", "Filter", "Scan", "Lookup"))
        record = {
            "eventVersion": "1.09",
            "userIdentity": self.identity,
            "eventTime": datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "eventSource": f"{service}.amazonaws.com",
            "eventName": action,
            "awsRegion": self.region,
            "sourceIPAddress": self.address,
            "userAgent": self.agent,
            **({"errorCode": error, "errorMessage": f"User is not authorized to perform: {name}"} if error else {}),
            "requestParameters": parameters,
            "responseElements": response,
            "requestID": f"{self.draw.getrandbits(64):016X}",
            "eventID": f"{self.draw.getrandbits(32):08x}-0000-4000-8000-{self.draw.getrandbits(48):012x}",
            "readOnly": reading,
            "eventType": "AwsConsoleSignIn" if action == "ConsoleLogin" else "AwsApiCall",
            "recipientAccountId": ACCOUNT,
            **(more or {}),
        }
        self.log.add(self.now, json.dumps(record, separators=(",", ":")), attack)
        self.now += self.draw.lognormvariate(-0.5, 1)

    def calls(self, names: str, attack: Attack | None = None) -> None:
        """Several calls, divided by commas."""
        for name in names.split(", "):
            self.call(name, attack=attack, parameters=self.parameters(name))
            self.wait(2)

    def parameters(self, name: str) -> dict[str, Any] | None:
        """Ordinary parameters."""
        service = name.partition(":")[0]
        if service == "s3" and not name.endswith("Buckets"):
            bucket = self.draw.choice(("shop-images", "shop-invoices", "shop-exports"))
            return {"bucketName": bucket, "key": f"{self.draw.randint(1, 9999):04}/{self.draw.getrandbits(32):08x}"}
        if service == "ec2":
            return {"instancesSet": {"items": [{"instanceId": f"i-0{self.draw.randint(1, 30):016x}"}]}}
        if service == "secretsmanager":
            return {"secretId": self.draw.choice(("shop/smtp", "shop/database"))}
        return None

    def wait(self, seconds: float) -> None:
        """Wait for about this long."""
        self.now += seconds * self.draw.lognormvariate(0, 0.7)


class Account:
    """All that is normal."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.people = (*DEVELOPERS, *ADMINISTRATORS)
        self.homes = {who: f"198.51.100.{number + 10}" for number, who in enumerate(self.people)}
        self.tools = {who: draw.choice(TOOLS[:2]) for who in self.people}

    def person(self, log: Log, who: str, now: float) -> Caller:
        """A user of the account, with keys of the command line."""
        identity = {
            "type": "IAMUser",
            "principalId": f"AIDA{who.upper():X<17}",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/{who}",
            "accountId": ACCOUNT,
            "accessKeyId": f"AKIA{who.upper():X<16}",
            "userName": who,
        }
        return Caller(log, self.draw, identity, self.homes[who], self.tools[who], now)

    def role(self, log: Log, role: str, session: str, now: float, agent: str, address: str = "") -> Caller:
        """A role that a service or a pipeline has taken."""
        issuer = {"type": "Role", "arn": f"arn:aws:iam::{ACCOUNT}:role/{role}", "userName": role}
        identity = {
            "type": "AssumedRole",
            "principalId": f"AROA{role.upper():X<17}:{session}",
            "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}",
            "accountId": ACCOUNT,
            "accessKeyId": f"ASIA{role.upper():X<16}",
            "sessionContext": {"sessionIssuer": issuer, "attributes": {"mfaAuthenticated": "false"}},
        }
        return Caller(log, self.draw, identity, address or f"192.0.2.{sum(role.encode()) % 200 + 10}", agent, now)

    def root(self, log: Log, now: float) -> Caller:
        identity = {"type": "Root", "principalId": ACCOUNT, "arn": f"arn:aws:iam::{ACCOUNT}:root", "accountId": ACCOUNT}
        return Caller(log, self.draw, identity, f"203.0.113.{self.draw.randint(1, 254)}", CONSOLE, now)

    def function(self, log: Log, name: str, now: float) -> Caller:
        agent = "Boto3/1.34.84 md/Botocore#1.34.84 ua/2.0 os/linux#5.10 lang/python#3.12 exec-env/AWS_Lambda_python3.12"
        return self.role(log, f"{name}-function", name, now, agent)

    def write(self, log: Log, day: int) -> None:
        """One day; the last two of a week are quiet."""
        midnight, weekend = START + DAY * day, day % 7 >= 5
        for name, (hours, names) in FUNCTIONS.items():
            for hour in range(0, 24, hours):
                self.run(self.function(log, name, midnight + 3600 * hour + self.draw.uniform(0, 400)), names)
        for hour in range(0, 24, 2):
            monitor = self.role(log, "monitoring", "scan", midnight + 3600 * hour, "Datadog/7.52", "198.51.100.200")
            monitor.calls(READS)
        for number in range(4):
            self.back_up(log, midnight + 3600 * (1 + 6 * number))
        for number in range(5 if weekend else 30):
            self.deploy(log, f"run-{1000 + 100 * day + number}", midnight + 3600 * self.draw.triangular(7, 19, 14))
        for who in self.draw.sample(self.people, 3) if weekend else self.people:
            for _ in range(self.draw.randint(3, 8)):
                self.work(log, who, midnight + 3600 * self.draw.uniform(6.5, 18.5))
        for number in range(90):
            self.scale(log, number % 15, midnight + DAY * self.draw.random())

    def run(self, caller: Caller, names: str) -> None:
        for _ in range(self.draw.randint(1, 6)):
            for name in names.split(", "):
                failed = self.draw.random() < 0.004
                caller.call(name, "ThrottlingException" if failed else "", parameters=caller.parameters(name))

    def scale(self, log: Log, number: int, now: float) -> None:
        """An instance of the shop starts, and fetches what it needs."""
        caller = self.role(log, "web", f"i-0{number + 1:016x}", now, "aws-sdk-go/1.51.21 (go1.22.2; linux; amd64)")
        caller.call("sts:GetCallerIdentity")
        caller.calls("secretsmanager:GetSecretValue, s3:GetObject, s3:GetObject")
        if self.draw.random() < 0.3:
            caller.calls("ec2:DescribeTags")

    def back_up(self, log: Log, now: float) -> None:
        caller = self.role(log, "backup", "AWSBackup", now, "backup.amazonaws.com", "backup.amazonaws.com")
        caller.calls("ec2:DescribeVolumes, ec2:CreateSnapshot, ec2:DescribeSnapshots, rds:CreateDBSnapshot")
        caller.wait(300)
        caller.calls("ec2:DescribeSnapshots, ec2:DeleteSnapshot")

    def deploy(self, log: Log, session: str, now: float) -> None:
        """A pipeline takes its role, and changes functions and stacks."""
        identity = {
            "type": "WebIdentityUser",
            "principalId": "ci",
            "userName": "repo:shop",
            "arn": "",
            "invokedBy": "ci",
        }
        start = Caller(log, self.draw, identity, "198.51.100.150", TOOLS[0], now)
        start.call("sts:AssumeRoleWithWebIdentity", parameters={"roleArn": f"arn:aws:iam::{ACCOUNT}:role/ci"})
        caller = self.role(log, "ci", session, start.now, self.draw.choice((TOOLS[0], TOOLS[2])), "198.51.100.150")
        caller.calls("sts:GetCallerIdentity, cloudformation:DescribeStacks, s3:PutObject")
        for _ in range(self.draw.randint(1, 4)):
            caller.calls("lambda:UpdateFunctionCode20150331v2, lambda:GetFunction20150331v2")
        if self.draw.random() < 0.4:
            caller.calls("cloudformation:CreateChangeSet, cloudformation:ExecuteChangeSet, iam:PassRole, iam:GetRole")
        if self.draw.random() < 0.1:
            caller.calls("ec2:AuthorizeSecurityGroupIngress, ec2:DescribeSecurityGroups")

    def work(self, log: Log, who: str, now: float) -> None:
        """Some minutes of a person, with the console or the command line."""
        caller = self.person(log, who, now)
        if self.draw.random() < 0.4:
            caller.agent = CONSOLE
            while self.draw.random() < 0.06:
                self.log_in(caller, "Failure", "Yes")
            self.log_in(caller, "Success", "Yes")
        else:
            caller.call("sts:GetCallerIdentity")
        for names in self.draw.choices(list(STEPS), list(STEPS.values()), k=self.draw.randint(1, 6)):
            caller.wait(40)
            if self.draw.random() < 0.03:
                caller.call(names.split(", ")[0], "AccessDenied")
            else:
                caller.calls(names)
        if who in ADMINISTRATORS:
            caller.calls(", ".join(self.draw.sample(READS.split(", "), 4)))
            if self.draw.random() < 0.15:
                caller.calls("iam:CreateUser, iam:AddUserToGroup, iam:CreateLoginProfile")
            if self.draw.random() < 0.15:
                caller.calls("iam:CreateAccessKey, iam:DeleteAccessKey")
            if self.draw.random() < 0.1:
                caller.calls("iam:PutRolePolicy, iam:GetRolePolicy")

    def log_in(self, caller: Caller, result: str, mfa: str, attack: Attack | None = None) -> None:
        """A login to the console."""
        more = {"additionalEventData": {"MFAUsed": mfa, "MobileVersion": "No"}}
        error = {"errorMessage": "Failed authentication"} if result == "Failure" else {}
        caller.call("signin:ConsoleLogin", attack=attack, response={"ConsoleLogin": result}, more=more | error)


class CloudTrail(Suite):
    name, entity = "cloudtrail", "user"

    def generate(self, normal: Log, day: Log, draw: random.Random) -> None:
        account = Account(draw)
        for number in range(DAYS):
            account.write(normal, number)
        account.write(day, DAYS)
        for kind, attacker in ATTACKERS.items():
            for _ in range(3):
                attacker(account, day, START + DAY * DAYS + 3600 * draw.uniform(0.5, 22.5), kind)


SUITE = CloudTrail()
CLAIMS = [*claims("cloudtrail", "CloudTrail of an AWS account")]

if __name__ == "__main__":
    main(SUITE, __doc__)
