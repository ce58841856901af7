"""The official OpenAI client, as an application uses it, against a gateway. Prints one JSON object; any surprise is an error."""
import json
import sys

import openai
from openai import OpenAI

base, key = sys.argv[1], sys.argv[2]
client = OpenAI(base_url=base, api_key=key, max_retries=0, timeout=30)
ASK = [{"role": "user", "content": "Grüße aus Köln, 你好"}]
SAID = "echo: Grüße aus Köln, 你好"
records = []


def record_of(headers):
    rec = headers.get("x-spur-record")
    assert rec is not None and len(rec) == 32, rec
    records.append(rec)


# Models.
listed = [model.id for model in client.models.list()]
assert {"plain", "tools", "broken"} <= set(listed), listed
assert client.models.retrieve("plain").id == "plain"

# JSON.
raw = client.chat.completions.with_raw_response.create(model="plain", messages=ASK, temperature=0.7, seed=2**40)
record_of(raw.headers)
answer = raw.parse()
assert answer.choices[0].message.content == SAID, answer
assert answer.choices[0].finish_reason == "stop" and answer.usage.total_tokens == 8

# Streaming.
with client.chat.completions.with_streaming_response.create(
    model="plain", messages=ASK, stream=True, stream_options={"include_usage": True}
) as response:
    record_of(response.headers)
    chunks = list(response.parse())
assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == SAID
assert chunks[-1].usage.total_tokens == 8
assert any(c.choices and c.choices[0].finish_reason == "stop" for c in chunks)

# Tool calls, both ways.
tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
raw = client.chat.completions.with_raw_response.create(model="tools", messages=ASK, tools=tools)
record_of(raw.headers)
call = raw.parse().choices[0].message.tool_calls[0]
assert call.function.name == "weather" and json.loads(call.function.arguments) == {"city": "Köln"}
parts = ""
for chunk in client.chat.completions.create(model="tools", messages=ASK, tools=tools, stream=True):
    if chunk.choices and chunk.choices[0].delta.tool_calls:
        parts += chunk.choices[0].delta.tool_calls[0].function.arguments or ""
assert json.loads(parts) == {"city": "Köln"}, parts

# A stream that breaks raises: it must never look like a normal end.
got = ""
try:
    for chunk in client.chat.completions.create(model="broken", messages=ASK, stream=True):
        if chunk.choices:
            got += chunk.choices[0].delta.content or ""
except openai.APIError as error:
    broken = type(error).__name__ + ": " + str(error)[:200]
else:
    raise SystemExit("a broken stream ended as if nothing had happened")
assert SAID.startswith(got)

# Errors have OpenAI's shape, so the client's own classes.
try:
    OpenAI(base_url=base, api_key="spur_" + "x" * 43, max_retries=0).chat.completions.create(model="plain", messages=ASK)
    raise SystemExit("a wrong key was taken")
except openai.AuthenticationError as error:
    assert error.status_code == 401 and error.code == "invalid_api_key", error
try:
    client.chat.completions.create(model="no-such-model", messages=ASK)
    raise SystemExit("an unknown model was taken")
except openai.NotFoundError as error:
    assert error.code == "model_not_found", error

print(json.dumps({"version": openai.__version__, "records": records, "broken": broken}))
