# What the twin of an upstream says: a handshake's answer, results and their end, as Deepgram writes
# them.
import base64
import hashlib
import json
import re

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
REQUEST = "5f1b7c1e-0000-4000-8000-000000000001"


def accept(request):
    """The answer to a WebSocket handshake."""
    key = re.search(rb"(?i)sec-websocket-key: *([^\r\n]+)", request).group(1).strip()
    proof = base64.b64encode(hashlib.sha1(key + GUID).digest())
    return (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + proof + b"\r\n\r\n")


def results(text, start, duration):
    words = [{"word": word, "start": start, "end": start + duration, "confidence": 0.99,
              "punctuated_word": word} for word in text.split()]
    return json.dumps({
        "type": "Results", "channel_index": [0, 1], "duration": duration, "start": start,
        "is_final": True, "speech_final": True, "from_finalize": False,
        "channel": {"alternatives": [{"transcript": text, "confidence": 0.98, "words": words}]},
        "metadata": {"request_id": REQUEST, "model_uuid": REQUEST, "model_info": {
            "name": "2-general-nova", "version": "2024-01-09.29447", "arch": "nova-2"}}})


def metadata(duration):
    return json.dumps({
        "type": "Metadata", "transaction_key": "deprecated", "request_id": REQUEST,
        "sha256": "0" * 64, "created": "2026-11-20T10:00:00.000Z", "duration": duration,
        "channels": 1})
