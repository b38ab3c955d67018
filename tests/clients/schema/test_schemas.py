"""Python's jsonschema reads every schema that a running hub serves, and tells good data from bad."""

import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.request

import jsonschema
import openapi_spec_validator
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
                        may_lack = query == "?closed=1" and wire not in schema["required"]
                        self.assertEqual(validator.is_valid(rest), may_lack, wire)
                        self.assertFalse(validator.is_valid({**example, wire: {"no": "object"}}), wire)
                        if query == "":
                            self.assertIn(wire, schema["required"])
                        if "format" in described and described["type"] == "string":
                            self.assertFalse(validator.is_valid({**example, wire: "no " + described["format"]}), wire)
                    self.assertEqual(validator.is_valid({**example, "neverHeardOf": 1}), query == "")

    def test_the_bundle_has_every_event_and_any_of_them_at_its_root(self):
        bundle = self.fetch("schemas/bundle.json")
        whole = {"registry": referencing.Resource.from_contents(bundle) @ referencing.Registry()}
        any_event = self.validator({"$ref": bundle["$id"]}, **whole)
        for name in self.names:
            with self.subTest(name=name):
                validator = self.validator({"$ref": f"{bundle['$id']}#/$defs/{name}"}, **whole)
                for example in bundle["$defs"][name]["examples"]:
                    self.assertEqual(list(validator.iter_errors(example)), [])
                    self.assertTrue(any_event.is_valid(example))
                self.assertFalse(validator.is_valid({}))

    def test_datamodel_code_generator_makes_a_model_of_each_event_that_reads_its_examples(self):
        bundle = self.fetch("schemas/bundle.json")
        with tempfile.TemporaryDirectory() as folder:
            module = pathlib.Path(folder) / "models.py"
            source = pathlib.Path(folder) / "bundle.json"
            source.write_text(json.dumps(bundle))
            generator = [sys.executable, "-W", "ignore", "-m", "datamodel_code_generator", "--input", source,
                         "--input-file-type", "jsonschema", "--output-model-type", "pydantic_v2.BaseModel",
                         "--formatters", "builtin", "--output", module]
            subprocess.run(generator, check=True, capture_output=True)
            spec = importlib.util.spec_from_file_location("models", module)
            models = importlib.util.module_from_spec(spec)
            sys.modules["models"] = models
            spec.loader.exec_module(models)
        for name in self.names:
            for example in bundle["$defs"][name]["examples"]:
                with self.subTest(name=name):
                    self.assertEqual(type(getattr(models, name).model_validate(example)).__name__, name)
                    with self.assertRaises(ValueError):
                        getattr(models, name).model_validate({})
        self.assertIn("CallbackAttempt", vars(models))
        self.assertNotIn("CallbackAttempt1", vars(models))

    def test_the_routes_are_an_openapi_document(self):
        document = self.fetch("openapi.json")
        openapi_spec_validator.validate(document)
        self.assertEqual(document["openapi"], "3.1.0")
        self.assertIn("post", document["paths"]["/publish"])
        self.assertIn("post", document["paths"]["/rte/negotiate"])
        # What it says of an item holds for a good one and a bad one.
        schemas = document["components"]["schemas"]
        item = self.validator({**schemas["PublishItem"]})
        self.assertTrue(item.is_valid({"eventName": "QueueStatus", "data": {}}))
        self.assertFalse(item.is_valid({"event": "QueueStatus", "data": {}}))


if __name__ == "__main__":
    unittest.main()
