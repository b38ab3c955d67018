"""Python's jsonschema reads every schema that a running hub serves, and tells good data from bad."""

import json
import pathlib
import sys
import unittest
import urllib.request

import jsonschema
import referencing

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from hub import Hub  # noqa: E402


class Schemas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.hub.start()
        cls.addClassCleanup(cls.hub.stop)
        cls.names = [event["name"] for event in cls.fetch("schemas/index.json")["events"]]

    @classmethod
    def fetch(cls, path):
        with urllib.request.urlopen(f"{cls.hub.url.removesuffix('/rte')}/{path}") as response:
            return json.load(response)

    def validator(self, schema, **options):
        jsonschema.Draft202012Validator.check_schema(schema)
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        self.assertLessEqual({"uuid", "date-time"}, checker.checkers.keys())
        return jsonschema.Draft202012Validator(schema, format_checker=checker, **options)

    def test_there_are_41_events(self):
        self.assertEqual(len(self.names), 41)

    def test_every_schema_admits_its_examples_and_no_others(self):
        for name in self.names:
            for query in ["", "?closed=1"]:
                with self.subTest(name=name, query=query):
                    schema = self.fetch(f"schemas/v1/{name}.json{query}")
                    validator = self.validator(schema)
                    for example in schema["examples"]:
                        self.assertEqual(list(validator.iter_errors(example)), [])
                    example = schema["examples"][0]
                    for wire, described in schema["properties"].items():
                        rest = {key: value for key, value in example.items() if key != wire}
                        self.assertFalse(validator.is_valid(rest), wire)
                        self.assertFalse(validator.is_valid({**example, wire: {"no": "object"}}), wire)
                        if "format" in described and described["type"] == "string":
                            self.assertFalse(validator.is_valid({**example, wire: "no " + described["format"]}), wire)
                    self.assertEqual(validator.is_valid({**example, "neverHeardOf": 1}), query == "")

    def test_the_bundle_finds_every_event_by_its_id(self):
        bundle = self.fetch("schemas/bundle.json")
        whole = {"registry": referencing.Resource.from_contents(bundle) @ referencing.Registry()}
        self.assertEqual(list(bundle["$defs"]), self.names)
        for name, schema in bundle["$defs"].items():
            with self.subTest(name=name):
                validator = self.validator({"$ref": schema["$id"]}, **whole)
                for example in schema["examples"]:
                    self.assertEqual(list(validator.iter_errors(example)), [])
                self.assertFalse(validator.is_valid({}))


if __name__ == "__main__":
    unittest.main()
