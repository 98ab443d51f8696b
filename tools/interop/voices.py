# What the relay tells voice models, in real calls from a foreign caller through a foreign server:
# every message must be one that the vendor's own package knows, and the calls bring out every kind.
import asyncio
import base64
import json

from calls import sid, until
from household import expect, mulaw
from models import Agent, Gemini, OpenAI, staged
from phone import Telnyx, Twilio

INSTRUCTION = 'You are "Ada".\nSay \u00e9, \U0001f600 and \\ as they are, & nothing = more.'
GREETING = 'Say "hello", please.'
# Half a second of something.
AUDIO = bytes(range(0, 250, 5)) * 480
SETTINGS = {
    "SIDETONE_UPSTREAMS_OPENAI_GREETING": GREETING,
    "SIDETONE_UPSTREAMS_OPENAI_THRESHOLD": "0.4",
    "SIDETONE_UPSTREAMS_OPENAI_SILENCE_MILLISECONDS": "700",
    "SIDETONE_UPSTREAMS_OPENAI_SPEED": "1.25",
    "SIDETONE_UPSTREAMS_GEMINI_GREETING": GREETING,
    "SIDETONE_UPSTREAMS_GEMINI_SILENCE_MILLISECONDS": "700",
}
AGENT = {
    "SIDETONE_UPSTREAMS_DEEPGRAM_AGENT_GREETING": GREETING,
    "SIDETONE_UPSTREAMS_DEEPGRAM_AGENT_THINK_PROVIDER": "anthropic",
}
WISHES = {
    "model": "model-of-the-day", "voice": "cedar", "language": "de-DE",
    "system_instruction": INSTRUCTION,
}


def is_a(kind):
    return lambda event: event["type"] == kind


async def every_message_to_openai_is_known_to_its_package(house):
    model = OpenAI()
    async with staged(model, **SETTINGS) as relay:
        phone = Twilio(f"ws://127.0.0.1:{relay.port}/ws", sid(21), WISHES)
        async with phone:
            session = (await model.until(is_a("session.update"), "session.update"))["session"]
            judge_openai_session(session)
            greeting = await model.until(is_a("response.create"), "the greeting")
            expect(greeting["response"] == {"instructions": GREETING}, f"{greeting}")
            await phone.say(mulaw(house.samples[:4800]))
            await interrupt_openai(model, phone)
            await phone.press("5")
            pressed = await model.until(is_a("conversation.item.create"), "the key")
            expect(pressed["item"]["content"] == [
                {"type": "input_text", "text": "The caller pressed 5."}], f"{pressed}")
            await model.until(lambda e: e == {"type": "response.create"}, "the key's answer")
            expect(await phone.hang_up() == 1000, f"closed with {phone.socket.close_code}")
        await model.sockets[-1].wait_closed()
    request = model.requests[0]
    expect(request.path == "/v1/realtime?model=model-of-the-day", request.path)
    expect(request.headers["Authorization"] == "Bearer test", "the key is sent as Bearer")
    expect("OpenAI-Beta" not in request.headers, "the beta is asked for")
    for message in model.messages:
        model.judge(message)
    kinds = [json.loads(message)["type"] for message in model.messages]
    expect(kinds[0] == "session.update" and kinds.count("session.update") == 1, f"{kinds[:3]}")
    expect(set(kinds) == {
        "session.update", "input_audio_buffer.append", "response.create",
        "conversation.item.truncate", "conversation.item.delete", "conversation.item.create"},
        f"told: {set(kinds)}")
    # 300 ms at 24 kHz, but for the last few samples that a filter holds back.
    expect(abs(len(model.audio()) - 300 * 48) <= 20 * 48, f"{len(model.audio())} bytes of audio")


def judge_openai_session(session):
    expect(session["instructions"] == INSTRUCTION, f"{session['instructions']}")
    heard, said = session["audio"]["input"], session["audio"]["output"]
    expect(heard["turn_detection"] == {
        "type": "server_vad", "threshold": 0.4, "silence_duration_ms": 700,
        "create_response": True, "interrupt_response": True}, f"{heard}")
    expect(heard["transcription"]["language"] == "de", f"{heard}")
    expect(said == {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "cedar",
                    "speed": 1.25}, f"{said}")


async def interrupt_openai(model, phone):
    """In the middle of an item, which is cut; then before an item is heard, which is deleted."""
    await model.speak("item_1", AUDIO * 4)
    await until(lambda: len(phone.audio()) > 3200, "the caller is not sent the agent's audio")
    await model.interrupt()
    cut = await model.until(is_a("conversation.item.truncate"), "what was heard")
    sent = len(phone.audio()) // 8
    expect(cut["item_id"] == "item_1" and 0 < cut["audio_end_ms"] <= sent, f"{cut} of {sent} ms")
    await until(lambda: phone.told("clear"), "the carrier is not told to clear")
    await model.finish("item_1", "cancelled")
    # When the two messages are read in turns of their own, a millisecond may have been heard.
    for number in range(2, 12):
        await model.speak(f"item_{number}", AUDIO)
        await model.interrupt()
        answer = await model.until(
            lambda e, item=f"item_{number}": e.get("item_id") == item, "the fate of an item")
        await model.finish(f"item_{number}", "cancelled")
        if answer["type"] == "conversation.item.delete":
            return
        expect(answer["audio_end_ms"] < 100, f"{answer}")
    raise AssertionError("no item that nobody heard was deleted")


async def every_session_of_openai_is_known_to_its_package(house):
    name = "SIDETONE_UPSTREAMS_OPENAI_"
    for settings, audio, detection in [
        ({"TURN_DETECTION": "semantic_vad"}, "audio/pcm", "semantic_vad"),
        ({"TURN_DETECTION": "none", "AUDIO": "g711"}, "audio/pcmu", None),
        ({"THRESHOLD": "1", "SPEED": "0.25", "LANGUAGE": "x"}, "audio/pcm", "server_vad"),
    ]:
        model = OpenAI()
        settings = {name + key: value for key, value in settings.items()}
        # Without a greeting it is not asked to speak first.
        async with staged(model, '[upstreams.openai]\ngreeting = ""\n', **settings) as relay:
            async with Telnyx(f"ws://127.0.0.1:{relay.port}/ws", "v3:session") as phone:
                event = await model.until(is_a("session.update"), "session.update")
                await phone.say(mulaw(house.samples[:1600]))
                await phone.hang_up()
            await model.sockets[-1].wait_closed()
        for message in model.messages:
            model.judge(message)
        expect(not model.told("response.create"), "asked to speak without a greeting")
        asked = event["session"]["audio"]["input"]
        expect(asked["format"]["type"] == audio, f"{asked}")
        expect((asked["turn_detection"] or {}).get("type") == detection, f"{asked}")


async def every_message_to_gemini_is_known_to_its_package(house):
    model = Gemini()
    async with staged(model, **SETTINGS) as relay:
        url = f"ws://127.0.0.1:{relay.port}/ws/phone"
        async with Twilio(url, sid(22), WISHES | {"voice": "Kore"}) as phone:
            judge_gemini_setup((await model.until(lambda e: "setup" in e, "setup"))["setup"])
            await model.until(lambda e: e == {"realtimeInput": {"text": GREETING}}, "the greeting")
            await phone.say(mulaw(house.samples[:4800]))
            await model.say(serverContent={"modelTurn": {"parts": [{"inlineData": {
                "mimeType": "audio/pcm;rate=24000",
                "data": base64.b64encode(AUDIO).decode()}}]}})
            await until(lambda: len(phone.audio()) > 1600, "the caller is not sent audio")
            await model.say(serverContent={"interrupted": True})
            await until(lambda: phone.told("clear"), "the carrier is not told to clear")
            await model.say(serverContent={"turnComplete": True})
            await phone.press("#")
            await model.until(
                lambda e: e == {"realtimeInput": {"text": "The caller pressed #."}}, "the key")
            await model.say(sessionResumptionUpdate={"newHandle": "handle/1=", "resumable": True})
            await model.say(goAway={"timeLeft": "1.5s"})
            again = await model.until(
                lambda e: e.get("setup", {}).get("sessionResumption"), "a resumed session")
            expect(again["setup"]["sessionResumption"] == {"handle": "handle/1="}, f"{again}")
            await phone.say(mulaw(house.samples[:1600]))
            expect(await phone.hang_up() == 1000, f"closed with {phone.socket.close_code}")
        await model.sockets[-1].wait_closed()
    for request in model.requests:
        expect(request.headers["x-goog-api-key"] == "test", "the key is in its header")
        expect("test" not in request.path and "?" not in request.path, request.path)
    for message in model.messages:
        expect(isinstance(message, str), "a binary message")
        model.judge(message)
    mime = set(model.told("realtimeInput", "audio", "mimeType"))
    expect(mime == {"audio/pcm;rate=16000"}, f"{mime}")
    expect(model.told("realtimeInput", "audioStreamEnd") == [True], "the end of the audio")
    # All of it, and none of it twice to one session: a second one may have come in time to be told
    # again what nobody had answered.
    heard = [len(model.audio_of(session)) for session in range(len(model.sessions))]
    expect(sum(heard) >= 380 * 32 and max(heard) <= 400 * 32, f"bytes of audio: {heard}")


def judge_gemini_setup(setup):
    expect(setup["model"] == "models/model-of-the-day", f"{setup['model']}")
    expect(setup["systemInstruction"] == {"parts": [{"text": INSTRUCTION}]}, f"{setup}")
    expect(setup["generationConfig"] == {
        "responseModalities": ["AUDIO"], "speechConfig": {
            "voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}},
            "languageCode": "de-DE"}}, f"{setup}")
    expect(setup["realtimeInputConfig"] == {
        "automaticActivityDetection": {"silenceDurationMs": 700}}, f"{setup}")


async def every_message_to_the_agent_is_known_to_its_package(house):
    model = Agent()
    async with staged(model, **AGENT) as relay:
        phone = Twilio(f"ws://127.0.0.1:{relay.port}/agent", sid(23), WISHES)
        async with phone:
            judge_agent_settings(await model.until(is_a("Settings"), "the settings"))
            greeting = await model.until(is_a("InjectAgentMessage"), "the greeting")
            expect(greeting["message"] == GREETING, f"{greeting}")
            heard = mulaw(house.samples[:4800])
            await phone.say(heard)
            await model.say("AgentStartedSpeaking", total_latency=0.9, tts_latency=0.2,
                            ttt_latency=0.5)
            said = bytes(range(256)) * 40
            for cut in (said[:161], said[161:]):
                await model.sockets[-1].send(cut)
            await until(lambda: len(phone.audio()) > 1600, "the caller is not sent audio")
            expect(said.startswith(bytes(phone.audio()[:1600])), "the audio is not as it was said")
            await model.say("UserStartedSpeaking")
            await until(lambda: phone.told("clear"), "the carrier is not told to clear")
            await model.say("ConversationText", role="user", content="Stop.")
            await model.say("FunctionCallRequest", functions=[
                {"id": "fc_1", "name": "look", "arguments": "{}", "client_side": True}])
            await model.until(is_a("FunctionCallResponse"), "no answer to a function")
            await model.sockets[-1].send(said[:160])
            await model.say("AgentAudioDone")
            await phone.press("#")
            await model.until(lambda e: e == {
                "type": "InjectUserMessage", "content": "The caller pressed #."}, "the key")
            expect(await phone.hang_up() == 1000, f"closed with {phone.socket.close_code}")
        await model.sockets[-1].wait_closed()
    request = model.requests[0]
    expect(request.path == "/v1/agent/converse", request.path)
    expect(request.headers["Authorization"] == "Token test", "the key is sent as Token")
    for message in model.messages:
        model.judge(message)
    expect(model.audio() == heard, "the caller's audio is not as it came")


async def a_server_of_tools_is_known_to_openais_package(house):
    model = OpenAI()
    item = {"id": "mcp_1", "type": "mcp_call", "server_label": "crm", "name": "find",
            "arguments": "{}"}
    functions = """[[functions]]
name = "crm"
description = "Customers, \\"all\\" of them."
mcp = "https://crm.example.com/mcp"
key = "token"
tools = ["find"]
[[routes]]
path = "/tools"
upstream = "openai"
functions = ["crm"]
[upstreams.openai]
greeting = ""
"""
    async with staged(model, functions) as relay:
        async with Twilio(f"ws://127.0.0.1:{relay.port}/tools", sid(25), {}) as phone:
            update = await model.until(is_a("session.update"), "session.update")
            expect(update["session"]["tools"] == [{
                "type": "mcp", "server_label": "crm", "server_url": "https://crm.example.com/mcp",
                "server_description": 'Customers, "all" of them.', "authorization": "token",
                "require_approval": "never", "allowed_tools": ["find"]}], f"{update}")
            response = {"id": "resp_1", "object": "realtime.response"}
            await model.say("response.created", response=response)
            await model.say("response.output_item.added", response_id="resp_1", output_index=0,
                            item=item)
            await model.say("response.mcp_call.in_progress", item_id="mcp_1", output_index=0)
            await model.say("response.done", response=response | {
                "status": "completed", "output": [item]})
            expect(not model.told("response.create"), "asked to go on before the server answered")
            await model.say("response.mcp_call.completed", item_id="mcp_1", output_index=0)
            await model.until(is_a("response.create"), "the model is not asked to go on")
            expect(await phone.hang_up() == 1000, f"closed with {phone.socket.close_code}")
        await model.sockets[-1].wait_closed()
    expect(len(model.told("response.create")) == 1, "asked to go on twice")
    for message in model.messages:
        model.judge(message)


async def answer_briefly(model):
    if model.kind == "openai":
        await model.until(is_a("response.create"), "the request for an answer")
        await model.speak("item_1", AUDIO)
        await model.finish("item_1")
    elif model.kind == "gemini":
        await model.say(serverContent={"modelTurn": {"parts": [{"inlineData": {
            "mimeType": "audio/pcm;rate=24000", "data": base64.b64encode(AUDIO).decode()}}]}})
        await model.say(serverContent={"turnComplete": True})
    else:
        await model.say("AgentStartedSpeaking", total_latency=0.9, tts_latency=0.2,
                        ttt_latency=0.5)
        await model.sockets[-1].send(bytes(4000))
        await model.say("AgentAudioDone")


async def a_silent_caller_is_spoken_to_in_words_that_the_packages_know(house):
    text = 'Say "hello?" \u00e9'
    asks = {
        "openai": lambda e: e.get("item", {}).get("role") == "system"
        and e["item"]["content"] == [{"type": "input_text", "text": text}],
        "gemini": lambda e: e == {"realtimeInput": {"text": text}},
        "deepgram-agent": lambda e: e == {
            "type": "InjectUserMessage", "content": "(The caller is silent.) " + text},
    }
    for model, (upstream, is_asked) in zip((OpenAI(), Gemini(), Agent()), asks.items()):
        route = f"""[upstreams.{upstream}]
greeting = ""
[[routes]]
path = "/quiet"
upstream = "{upstream}"
caller_quiet_seconds = 1
caller_reprompts = 1
reprompt = 'Say "hello?" \u00e9'
"""
        async with staged(model, route) as relay:
            async with Twilio(f"ws://127.0.0.1:{relay.port}/quiet", sid(24), {}) as phone:
                await model.until(is_asked, f"{upstream}: the reprompt")
                await answer_briefly(model)
                # The caller says nothing to that either.
                await asyncio.wait_for(phone.socket.wait_closed(), 15)
                expect(phone.socket.close_code == 1000, f"closed with {phone.socket.close_code}")
        for message in model.messages:
            model.judge(message)


def judge_agent_settings(settings):
    mulaw_8k = {"encoding": "mulaw", "sample_rate": 8000}
    expect(settings["audio"] == {
        "input": mulaw_8k, "output": mulaw_8k | {"container": "none"}}, f"{settings['audio']}")
    expect(settings["agent"] == {
        "listen": {"provider": {"type": "deepgram", "version": "v1", "model": "nova-3",
                                "language": "de-DE"}},
        "think": {"provider": {"type": "anthropic", "model": "model-of-the-day"},
                  "prompt": INSTRUCTION},
        "speak": {"provider": {"type": "deepgram", "model": "cedar"}}}, f"{settings['agent']}")


CASES = [
    a_silent_caller_is_spoken_to_in_words_that_the_packages_know,
    a_server_of_tools_is_known_to_openais_package,
    every_message_to_the_agent_is_known_to_its_package,
    every_message_to_openai_is_known_to_its_package,
    every_session_of_openai_is_known_to_its_package,
    every_message_to_gemini_is_known_to_its_package,
]
