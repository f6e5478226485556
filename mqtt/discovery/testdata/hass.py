"""Runs Home Assistant headless with its MQTT integration, for homeassistant_test.go.

    python hass.py CONFIG_DIR BROKER_PORT HTTP_PORT

Reads one JSON command a line from stdin, answers with one line on stdout:
  {"do": "states"}                                       all states: entity_id -> {state, attributes, unique_id}
  {"do": "call", "domain": D, "service": S, "data": {}}  calls a service
"""
import asyncio
import json
import os
import shutil
import sys

from homeassistant import bootstrap, runner
from homeassistant.helpers import entity_registry


# An automation made from the blueprint, which leaves what it would say in an input_text.
AUTOMATION = """
input_text:
  heard:
    max: 255
automation:
  - id: blueprint
    alias: Blueprint
    use_blueprint:
      path: edgevlm/blueprint.yaml
      input:
        question: binary_sensor.gate_front_yard_person
        description: sensor.gate_front_yard_description
        actions:
          - action: input_text.set_value
            target:
              entity_id: input_text.heard
            data:
              value: "{{ text[:200] }}"
"""


def write_config(directory, http_port):
    blueprints = os.path.join(directory, "blueprints", "automation", "edgevlm")
    os.makedirs(blueprints, exist_ok=True)
    here = os.path.dirname(os.path.abspath(__file__))
    shutil.copy(os.path.join(here, "..", "blueprint.yaml"), blueprints)
    with open(os.path.join(directory, "configuration.yaml"), "w") as f:
        f.write(f"homeassistant:\n  name: Test\nhttp:\n  server_host: 127.0.0.1\n  server_port: {http_port}\n{AUTOMATION}")


async def add_mqtt(hass, port):
    if hass.config_entries.async_entries("mqtt"):
        return
    flow = await hass.config_entries.flow.async_init("mqtt", context={"source": "user"})
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {"broker": "127.0.0.1", "port": port})
    if str(result["type"]) not in ("create_entry", "FlowResultType.CREATE_ENTRY"):
        raise RuntimeError(f"the MQTT integration is not set up: {result}")


def states(hass):
    registry = entity_registry.async_get(hass)
    out = {}
    for s in hass.states.async_all():
        entry = registry.async_get(s.entity_id)
        out[s.entity_id] = {"state": s.state, "attributes": dict(s.attributes), "unique_id": entry.unique_id if entry else ""}
    return out


async def main(directory, port, http_port):
    write_config(directory, http_port)
    hass = await bootstrap.async_setup_hass(runner.RuntimeConfig(config_dir=directory, skip_pip=False))
    if hass is None:
        raise RuntimeError("Home Assistant does not start")
    await hass.async_start()
    await add_mqtt(hass, port)
    await hass.async_block_till_done(wait_background_tasks=False)
    print(json.dumps({"ready": True}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        if command["do"] == "call":
            await hass.services.async_call(command["domain"], command["service"], command["data"], blocking=True)
            answer = {}
        else:
            answer = states(hass)
        print(json.dumps(answer, default=str), flush=True)
    await hass.async_stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
