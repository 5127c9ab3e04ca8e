#!/usr/bin/env python3
"""Writes pyyaml.json: what PyYAML's SafeLoader makes of many texts (needs PyYAML 6).

Each entry is [text, tree]; a tree is null for a refused text, else a list:
["null"], ["bool", b], ["int", "digits"], ["float", "repr"], ["text", s],
["list", trees...], ["map", [key, tree]...]. Dates stay text, keys become text: the two
places where Ganglion differs on purpose. Run: make_pyyaml.py SEED COUNT > pyyaml.json
"""
import json
import random
import sys

import yaml


class Loader(yaml.SafeLoader):
    def construct_mapping(self, node, deep=False):
        if isinstance(node, yaml.MappingNode):
            self.flatten_mapping(node)
            for key, _ in node.value:
                if key.tag == "tag:yaml.org,2002:float":
                    key.tag = "tag:yaml.org,2002:str"  # as written
        return super().construct_mapping(node, deep)


Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node))


def key_text(key):
    if key is None:
        return "null"
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(key)


def tree(value):
    if value is None:
        return ["null"]
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["int", str(value)]
    if isinstance(value, float):
        return ["float", repr(value)]
    if isinstance(value, str):
        return ["text", value]
    if isinstance(value, list):
        return ["list"] + [tree(item) for item in value]
    if isinstance(value, dict):
        return ["map"] + [[key_text(key), tree(item)] for key, item in value.items()]
    raise TypeError(value)


def expected(text):
    try:
        return tree(yaml.load(text, Loader))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):
        return None


FIXED = """yes|no|Yes|NO|on|Off|y|n|true|TRUE|tRue|~|null|Null|NULL|nULL||0|-0|+0|00|007|0777|08|09|0o7|0x1F|0XFF|-0x1f|0b101
0b|0b_|0x|0x_|0_|1_000|1__0|_1|1_|-1_0|+12|1:30|1:60|1:5|01:30|190:20:30|-1:30|1:30:99|1:2:3:4|60:00|1e3|1E3|1e+3|1.0e3
1.0e+3|1.5E-2|.5|.5e+1|5.|5.e+1|-.5|+.5|1_0.5_0|._5|.|..|-.|.inf|-.inf|+.Inf|.INF|.iNf|.nan|.NaN|-.nan|1:30.5|-1:2.25
2020-01-01|2020-1-1|2020-01-01T10:00:00Z|2020-01-01 10:00:00|12:30:45|0.0.0.0|127.0.0.1|::1|1,000|1 000|'1'|"1"|'yes'
!!str 1|!!int "5"|!!int 0x10|!!float 3|!!float "1.5"|!!bool "yes"|!!bool "YES"|!!null x|! 12|! yes|!!str|"a\\nb"|"\\u00e9"|'it''s'
[a, b, 1]|{a: 1, b: yes}|[]|{}|[,]|{a, b}|{a: , b: }|? a|[a, [b, {c: d}]]|a: b: c|- a|-a|- - a|a:b|a: |"a": 1|{1: a, 0x1: b}
{yes: 1, "yes": 2}|{~: 1}|{1.5: a}|@a|`a|%a|a # b|a#b|#a|'a|"a|[a|{a|a]|!x y|!!python/none ""|&a 1|*a|&a|[&a 1, *a]|[&a 1, &a 2]
*a : 1|<<: 1|{<<: {a: 1}, b: 2}|{b: 2, <<: {b: 1, c: 3}}|[&x {a: 1}, {<<: *x, a: 2}]|{<<: [{a: 1}, {a: 2, b: 3}]}
{<<: {a: 1}, <<: {a: 2}}|{a: 1, a: 2}|{"<<": {a: 1}}|{<<: [1]}|<<|[<<]|{? [a] : b}|9223372036854775807|-9223372036854775808
a\u00e9: \u00fc|\ufeffa: 1|\ta: 1|a:\t1|a: 1\r\nb: 2"""

DOCUMENTS = [
    "a: 1\nb:\n  - x\n  - y: 2\n    z: 3\n- bad\n", "a: |\n  one\n  two\nb: >\n  one\n  two\n\n  three\n", "a: |-\n  x\nb: |+\n  x\n\n",
    "base: &base\n  a: 1\n  b: 2\nother:\n  <<: *base\n  b: 3\nthird:\n  <<: [*base, {c: 4, a: 9}]\n", "--- 1\n", "--- 1\n--- 2\n",
    "--- a\n...\n", "a: 1\n...\nb: 2\n", "%YAML 1.1\n---\na: 1\n", "a: &x [1, 2]\nb: *x\n", "a: &x\n  b: *x\n", "&x [*x]", "a:\n- 1\n- 2\n",
    "a:\n - 1\n-  2\n", "? a\n: b\n", "? |\n  key\n: value\n", "a: 'multi\n  line'\n", "a: \"x\\\n   y\"\n", "a: b\n c: d\n", "a: b\n  c\n  d\n",
    "listeners:\n- port: 9093\n  bind_address: '127.0.0.1'\n  resources:\n  - names: [replication]\nredis:\n    enabled: true\n",
    "a: {b: [1, {c: d}], e: }\n", "a: 1\na: 2\n", "x: !!omap [a: 1]\n", "- !!int abc\n", "a: 0777\nmode: 0o660\n", "time: 1:30\n", "",
    "# only a comment\n", "a: !!str\n", "a: !!str yes\n", "key with spaces: v\n", "'quoted key': v\n", "a: [\n  1,\n  2\n]\n", "a: \x01\n",
]


def random_scalar(rng):
    alphabet = rng.choice(["01234567_+-.:", "0123456789abxXABCDEFo_", "0123456789.eE+-_", "0123456:._", "yesnoYNtrufalsTRUEFonOF~", "0123456789-TZ: ."])
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 9)))


def main():
    rng = random.Random(int(sys.argv[1]))
    texts = [text for line in FIXED.split("\n") for text in line.split("|")] + DOCUMENTS
    texts += [random_scalar(rng) for _ in range(int(sys.argv[2]))]
    texts += ["k: " + random_scalar(rng) for _ in range(int(sys.argv[2]) // 4)]
    seen, out = set(), []
    for text in texts:
        if text not in seen:
            seen.add(text)
            out.append(json.dumps([text, expected(text)]))
    print("[\n" + ",\n".join(out) + "\n]")


main()
