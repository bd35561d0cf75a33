"""Asks a real `octet serve` with the clients that people have: the openai and anthropic packages, lm-evaluation-harness, guidellm, curl, and a
reader of streams that takes them as vLLM's benchmark does.

    python tools/check/serve_clients.py MODEL [OCTET]      needs openai, anthropic, lm_eval[api], guidellm (`make test-clients` gets them)

MODEL has a chat template. Likelihoods that the harness reads through the server must equal those of `octet eval choices` on the same
items, bit for bit up to the sum of a choice's tokens. Exits with 1 where a check fails.
"""
import http.client
import json
import os
import pathlib
import subprocess
import sys
import tempfile

os.environ.update(HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import anthropic
import openai

from served import OCTET, Served

ROOT = pathlib.Path(__file__).resolve().parents[2]
ITEMS = ROOT / "examples" / "eval" / "choices.jsonl"
ANSWERS = ROOT / "examples" / "eval" / "answers.jsonl"
KEY = "a-key-for-the-clients-0123"
# The harness adds a choice's log-probabilities in double precision; so does Octet, which prints what it has.
TOLERANCE = 1e-5
HELLO = [{"role": "user", "content": "Name three colours."}]
failures = []


def check(name, holds, seen=""):
    print(f"{'ok  ' if holds else 'FAIL'} {name} {seen}")
    if not holds:
        failures.append(name)


def check_chat(client):
    whole = client.chat.completions.create(model="tested", messages=HELLO, max_tokens=24, temperature=0)
    text = whole.choices[0].message.content
    check("openai: chat", whole.usage.completion_tokens <= 24 and bool(text), repr(text))
    stream = list(client.chat.completions.create(model="tested", messages=HELLO, max_tokens=24, temperature=0, stream=True,
                                                 stream_options={"include_usage": True}))
    joined = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    check("openai: stream joins to the same text", joined == text)
    check("openai: role first", stream[0].choices[0].delta.role == "assistant")
    check("openai: usage last", stream[-1].usage == whole.usage or stream[-1].usage.completion_tokens ==
          whole.usage.completion_tokens)
    many = client.chat.completions.create(model="tested", messages=HELLO, max_tokens=8, n=3, seed=1, temperature=1,
                                          logprobs=True, top_logprobs=2)
    check("openai: n and logprobs", [choice.index for choice in many.choices] == [0, 1, 2] and
          all(len(entry.top_logprobs) == 2 for choice in many.choices for entry in choice.logprobs.content))
    again = client.chat.completions.create(model="tested", messages=HELLO, max_tokens=8, n=3, seed=1, temperature=1)
    check("openai: the seed draws the same", [c.message.content for c in again.choices] ==
          [c.message.content for c in many.choices])


def check_rest_of_openai(client, url):
    check("openai: models", client.models.list().data[0].id == "tested" and client.models.retrieve("tested").id == "tested")
    text = client.completions.create(model="tested", prompt="Once upon a time", max_tokens=8, temperature=0, logprobs=2, echo=True)
    check("openai: completions with echo", text.choices[0].text.startswith("Once upon a time") and
          text.choices[0].logprobs.token_logprobs[0] is None)
    response = client.responses.create(model="tested", input="Name three colours.", max_output_tokens=24, temperature=0)
    chat = client.chat.completions.create(model="tested", messages=HELLO, max_tokens=24, temperature=0)
    check("openai: responses", response.output_text == chat.choices[0].message.content)
    events = list(client.responses.create(model="tested", input="Name three colours.", max_output_tokens=24, temperature=0,
                                          stream=True))
    # An answer that its length cut ends with response.incomplete, which the package's stream helper takes for none.
    check("openai: responses stream", events[-1].type in ("response.completed", "response.incomplete") and
          events[-1].response.output_text == response.output_text and
          "".join(event.delta for event in events if event.type == "response.output_text.delta") == response.output_text)
    for name, call, kind in (
            ("a wrong field", lambda: client.chat.completions.create(model="tested", messages=HELLO, temperature=-1),
             openai.BadRequestError),
            ("no such model", lambda: client.chat.completions.create(model="none", messages=HELLO), openai.NotFoundError),
            ("tools", lambda: client.chat.completions.create(model="tested", messages=HELLO, tools=[{"type": "function"}]),
             openai.BadRequestError),
            ("a wrong key", lambda: openai.OpenAI(base_url=url + "/v1", api_key="wrong").models.list(),
             openai.AuthenticationError)):
        try:
            call()
            check(f"openai: {name} is refused", False)
        except kind as error:
            check(f"openai: {name} is refused", True, str(error)[:110])


def check_anthropic(url):
    client = anthropic.Anthropic(base_url=url, api_key=KEY)
    message = client.messages.create(model="tested", max_tokens=24, messages=HELLO, extra_body={"temperature": 0})
    check("anthropic: message", bool(message.content[0].text) and message.usage.output_tokens <= 24, repr(message.content[0].text))
    with client.messages.stream(model="tested", max_tokens=24, messages=HELLO, extra_body={"temperature": 0}) as stream:
        joined = "".join(stream.text_stream)
        final = stream.get_final_message()
    check("anthropic: stream", joined == message.content[0].text and final.stop_reason == message.stop_reason)
    check("anthropic: count_tokens", client.messages.count_tokens(model="tested", messages=HELLO).input_tokens > 3)
    try:
        client.messages.create(model="tested", max_tokens=8, messages=[{"role": "king", "content": "a"}])
        check("anthropic: a wrong role is refused", False)
    except anthropic.BadRequestError as error:
        check("anthropic: a wrong role is refused", True, str(error)[:110])


def check_where_it_is_served(client):
    """Parts of the API that a server may lack: a refusal that says so is passed over, an answer must be right."""
    try:
        vectors = client.embeddings.create(model="tested", input=["one text", "another"]).data
        check("openai: embeddings", len(vectors) == 2 and len(vectors[0].embedding) == len(vectors[1].embedding) > 0)
    except (openai.NotFoundError, openai.BadRequestError) as error:
        print(f"skip openai: embeddings ({str(error)[:100]})")
    tool = {"type": "function", "function": {"name": "colour", "parameters": {"type": "object", "properties": {
        "name": {"type": "string", "enum": ["red", "blue"]}}, "required": ["name"], "additionalProperties": False}}}
    try:
        choice = client.chat.completions.create(model="tested", messages=HELLO, tools=[tool], tool_choice="required", max_tokens=64,
                                                temperature=0).choices[0]
        calls = choice.message.tool_calls or []
        check("openai: a tool that is required is called", len(calls) > 0 and calls[0].function.name == "colour" and
              json.loads(calls[0].function.arguments)["name"] in ("red", "blue"), repr(choice)[:200])
    except openai.BadRequestError as error:
        print(f"skip openai: tools ({str(error)[:100]})")


def events_as_vllm_reads_them(reply):
    """Bytes as they come, cut at blank lines; comments passed over; whatever is behind `data: ` is JSON or [DONE]."""
    buffer = ""
    while part := reply.read1(7):  # small and odd, so that events and characters are cut
        buffer += part.decode("latin-1")
        while "\n\n" in buffer:
            message, buffer = buffer.split("\n\n", 1)
            message = message.strip()
            if message.startswith(":"):
                continue
            yield message.removeprefix("data: ").encode("latin-1").decode()
    check("vllm: nothing is left behind the last event", buffer == "", repr(buffer))


def check_stream_as_vllm(url):
    host = url.removeprefix("http://")
    for path, ask, text_of in (
            ("/v1/chat/completions", {"messages": HELLO, "max_completion_tokens": 24}, lambda c: c["delta"].get("content")),
            ("/v1/completions", {"prompt": "Once upon a time", "max_tokens": 24, "logprobs": None, "repetition_penalty": 1.0},
             lambda c: c.get("text"))):
        body = {"model": "tested", "temperature": 0.0, "stream": True, "stream_options": {"include_usage": True}, "ignore_eos": True, **ask}
        connection = http.client.HTTPConnection(host, timeout=100)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", "Authorization": f"Bearer {KEY}"})
        reply = connection.getresponse()
        events = list(events_as_vllm_reads_them(reply))
        chunks = [json.loads(event) for event in events[:-1]]
        text = "".join(text_of(choice) or "" for chunk in chunks for choice in chunk["choices"])
        usage = [chunk["usage"] for chunk in chunks if not chunk["choices"]]
        check(f"vllm: stream of {path}", reply.status == 200 and events[-1] == "[DONE]" and len(text) > 0 and len(usage) == 1 and
              usage[0]["completion_tokens"] == 24 and all(chunk.get("usage") is None for chunk in chunks if chunk["choices"]), repr(text[:40]))


def check_guidellm(model, url):
    folder = tempfile.mkdtemp()
    out = pathlib.Path(folder) / "benchmarks.json"
    ran = subprocess.run(
        [str(pathlib.Path(sys.executable).parent / "guidellm"), "run",
         "--backend", f"kind=openai_http,target={url},model=tested,api_key={KEY}", "--profile", "kind=concurrent,streams=3",
         "--constraint", "kind=max_requests,count=9", "--data", "kind=synthetic_text,prompt_tokens=48,output_tokens=8",
         "--tokenizer", f"kind=hf_auto,model={model}", "--output", f"kind=json,path={out}", "--disable-console"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    if not out.exists():
        check("guidellm", False, ran.stdout.decode()[-1500:])
        return
    totals = json.loads(out.read_text())["benchmarks"][0]["metrics"]["request_totals"]
    check("guidellm: every request succeeds", totals["successful"] >= 9 and totals["errored"] == 0, json.dumps(totals))


def check_curl(url):
    body = json.dumps({"messages": HELLO, "max_tokens": 4, "stream": True})
    out = subprocess.run(["curl", "-sN", url + "/v1/chat/completions", "-H", "Content-Type: application/json", "-H",
                          f"Authorization: Bearer {KEY}", "-d", body], check=True, stdout=subprocess.PIPE).stdout.decode()
    check("curl: stream", out.startswith("data: ") and out.endswith("data: [DONE]\n\n"))


def check_harness(octet, model, url):
    import lm_eval
    from lm_eval.api.task import ConfigurableTask
    task = ConfigurableTask(config={
        "task": "choices", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(ITEMS)}},
        "test_split": "test", "doc_to_text": "{{question}}", "output_type": "multiple_choice", "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{answer}}", "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}]})
    os.environ["OPENAI_API_KEY"] = KEY
    results = lm_eval.simple_evaluate(
        model="local-completions", tasks=[task], log_samples=True, bootstrap_iters=0,
        model_args=f"model=tested,base_url={url}/v1/completions,tokenizer_backend=remote,num_concurrent=4,auth_token={KEY},"
                   f"max_retries=1,tokenized_requests=True")
    samples = sorted(results["samples"]["choices"], key=lambda sample: sample["doc_id"])
    ours = json.loads(subprocess.run([octet, "eval", "choices", model, "--items", str(ITEMS), "--json", "--per-item"], check=True,
                                     stdout=subprocess.PIPE).stdout)
    largest = bad = 0
    for sample, item in zip(samples, ours["per_item"], strict=True):
        theirs = [float(response[0]) for response in sample["filtered_resps"]]
        largest = max([largest] + [abs(a - b) for a, b in zip(theirs, item["log_likelihoods"], strict=True)])
        bad += bool(sample["acc"]) != (item["acc"] == item["answer"])
    check("lm_eval: local-completions equals octet eval choices in every item", bad == 0 and largest <= TOLERANCE,
          f"{len(samples)} items, {bad} differ, log-likelihoods by at most {largest:.1e}")


def check_harness_chat(url):
    import lm_eval
    from lm_eval.api.task import ConfigurableTask
    task = ConfigurableTask(config={
        "task": "answers", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(ANSWERS)}},
        "test_split": "test", "doc_to_text": "{{question}}", "output_type": "generate_until", "doc_to_target": lambda d: "x",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 8},
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]})
    results = lm_eval.simple_evaluate(
        model="local-chat-completions", tasks=[task], log_samples=True, bootstrap_iters=0, apply_chat_template=True, limit=8,
        model_args=f"model=tested,base_url={url}/v1/chat/completions,num_concurrent=4,max_retries=1")
    texts = [sample["resps"][0][0] for sample in results["samples"]["answers"]]
    check("lm_eval: local-chat-completions", len(texts) == 8 and all(texts), repr(texts[:2]))


def main():
    model = sys.argv[1]
    octet = sys.argv[2] if len(sys.argv) > 2 else str(OCTET)
    with Served(octet, model, "--name", "tested", key=KEY) as server:
        url = server.url
        client = openai.OpenAI(base_url=url + "/v1", api_key=KEY, max_retries=0)
        check_chat(client)
        check_rest_of_openai(client, url)
        check_anthropic(url)
        check_where_it_is_served(client)
        check_stream_as_vllm(url)
        check_curl(url)
        check_guidellm(model, url)
        check_harness(octet, model, url)
        check_harness_chat(url)
    check("the server ends with 0", server.exit_code == 0, server.exit_code)
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


main()
