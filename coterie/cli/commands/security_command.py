"""`coterie security check`: checks how a node is deployed: keys, certificates, files, address, and what clients reach.

    coterie security check shop:topology --node n1 --listen 0.0.0.0:7401 --data n1 --key-file nodes.key
    coterie security check shop:topology --tls-certificate {node}.crt --tls-key {node}.key --tls-authority ca.pem

It takes the options of `coterie run`, starts nothing and changes nothing. Without --node all nodes of the topology are
checked; {node} in a path stands for the name of each.

Exit code 1 if something is a FAILURE (with --strict also if it is a WARNING), else 0. What the findings mean, and what
is not promised at all: docs/security.md.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator

from coterie.actors.network_addresses import parse_address
from coterie.actors.topology import Topology
from coterie.cli.command_loop import WrongUsage
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems
from coterie.cli.security_options import NODE_MARK, add_node_security, of_node, read_key, security_of
from coterie.cli.topologies.topology_argument import add_topology, check_node, load_topology
from coterie.hardening.certificate_checks import certificate_findings
from coterie.hardening.checked_deployment import Deployment, Finding, Level
from coterie.hardening.exposure_checks import client_findings, link_findings
from coterie.hardening.file_checks import code_findings, data_findings, key_findings
from coterie.runtime.transport.handshake.shared_key import KEY_BYTES_MIN

__all__ = ["add_parser", "check"]

FAILED = 1


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `security` to the command line."""
    parser = subparsers.add_parser(
        "security",
        help="check how a node is deployed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="action", required=True)
    checking = actions.add_parser(
        "check",
        help="check keys, certificates, files, address, and what clients reach",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_topology(checking)
    checking.add_argument("--node", help="the node (default: all)")
    checking.add_argument(
        "--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="where it will listen (default: loopback)"
    )
    checking.add_argument("--data", metavar="DIR", help="its data directory")
    checking.add_argument("--insecure", action="store_true", help="as it will be given to coterie run")
    checking.add_argument("--strict", action="store_true", help="exit with 1 for a WARNING, too")
    add_output(checking)
    add_node_security(checking)
    checking.set_defaults(run=check)


def check(args: argparse.Namespace) -> int:
    """Carry out `coterie security check`; return the exit code."""
    topology = load_topology(args.topology)
    topology.validate()
    if args.node is not None:
        check_node("--node", args.node, topology)
    module = args.topology.partition(":")[0]
    code = sys.modules[module].__file__ or module
    found: dict[Finding, None] = {}  # a set, in order: what holds for all nodes is printed once
    for node in [args.node] if args.node is not None else topology.nodes:
        found |= dict.fromkeys(_findings(args, topology, node, code))
    lines = [f"{finding.level.value:<8} {_sentence(finding)}" for finding in found]
    counts = {level: sum(finding.level is level for finding in found) for level in Level}
    lines += ["", f"{counts[Level.FAILURE]} failures, {counts[Level.WARNING]} warnings"]
    worst = (Level.FAILURE, Level.WARNING) if args.strict else (Level.FAILURE,)
    bad = [_sentence(finding) for finding in found if finding.level in worst]
    out: CommandOutput = args.out
    out.cluster = topology.name
    data = {"findings": list(map(_facts, found)), "failures": counts[Level.FAILURE], "warnings": counts[Level.WARNING]}
    out.show(data, lines, verdict="failed" if bad else "passed", errors=problems(Code.FAILED, bad))
    return FAILED if bad else 0


def _facts(finding: Finding) -> dict[str, str]:
    return {"level": finding.level.name.lower(), "text": finding.text, "advice": finding.advice}


def _sentence(finding: Finding) -> str:
    return f"{finding.text}: {finding.advice}" if finding.advice else finding.text


def _findings(args: argparse.Namespace, topology: Topology, node: str, code: str) -> Iterator[Finding]:
    own = of_node(args, node)
    keys = _KeyFiles()
    security = security_of(own, keys.read)
    yield from keys.unusable.values()
    key_files = [] if own.key_file is None else [("--key-file", own.key_file)]
    key_files += [("--also-key", path) for path in own.also_keys]
    for text in own.client_keys:
        name, _, path = text.partition("=")
        key_files.append((f"--client-key {name}", path))
    is_own = args.node is not None or NODE_MARK in (args.tls_certificate or "")
    deployment = Deployment(
        topology=topology,
        node=node if is_own else None,
        host=parse_address(args.listen)[0],
        data=None if args.data is None else args.data.replace(NODE_MARK, node),
        auth=security.node_auth,
        tls=security.tls,
        key_files=tuple((option, path) for option, path in key_files if path not in keys.unusable),
        is_insecure=args.insecure,
        code=code,
    )
    yield from link_findings(deployment)
    yield from key_findings(deployment)
    yield from certificate_findings(deployment)
    yield from data_findings(deployment)
    yield from code_findings(deployment)
    yield from client_findings(deployment)


class _KeyFiles:
    """Reads files of keys, and goes on if one holds no key: something stands for it, so that the rest can be checked.

    `unusable`: the finding for each such file, by path.
    """

    def __init__(self) -> None:
        self.unusable: dict[str, Finding] = {}

    def read(self, option: str, path: str) -> bytes:
        """Return the key of an option and a path, or something that stands for it."""
        try:
            key = read_key(option, path)
            if len(key) >= KEY_BYTES_MIN:
                return key
            why = f"{option} {path}: a key of {len(key)} bytes can be guessed, and no node starts with it"
        except WrongUsage as error:
            why = str(error)
        advice = f"head -c 32 /dev/urandom > {path}; chmod 600 {path}"
        self.unusable[path] = Finding(Level.FAILURE, why, f"make it readable, or make a new key: {advice}")
        return hashlib.sha256(path.encode()).digest()
