"""Prints the events of every edgevlm device on a broker.

    pip install paho-mqtt==2.1.0 msgpack==1.1.0
    python read.py HOST [PORT]
"""
import collections
import sys

import msgpack
import paho.mqtt.client as paho

recent = collections.OrderedDict()  # ids of the last events: one that came before is a repeat, after a connection broke


def decode(payload):
    # timestamp=3: the standard timestamp extension becomes a datetime in UTC
    return msgpack.unpackb(payload, timestamp=3)


def on_message(client, userdata, message):
    event = decode(message.payload)
    if event["id"] in recent:
        return
    recent[event["id"]] = True
    if len(recent) > 1024:
        recent.popitem(last=False)
    text, at = event["text"], event["captured_at"]["last"]
    if condition := event.get("condition"):  # one that started or ended, instead of a description
        text = f"{condition['name']} {condition['state']}"
    print(f"{at:%H:%M:%S} {event['device']}/{event['camera']}: {text}", flush=True)


def on_connect(client, userdata, flags, reason, properties):
    client.subscribe("edgevlm/+/+/event/msgpack", qos=1)


def main():
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.on_connect, client.on_message = on_connect, on_message
    client.connect(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1883)
    try:
        client.loop_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
