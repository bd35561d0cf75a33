"""Asks a real `octet serve` with the clients that people have: the openai and anthropic packages, lm-evaluation-harness and curl.

    python tools/check/serve_clients.py MODEL [OCTET]      needs openai, anthropic, lm_eval[api] (`make test-clients` gets them)

MODEL has a chat template. Likelihoods that the harness reads through the server must equal those of `octet eval choices` on the same
items, bit for bit up to the sum of a choice's tokens. Exits with 1 where a check fails.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys

os.environ.update(HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import anthropic
import openai

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


def start(octet, model):
    server = subprocess.Popen([octet, "serve", model, "--port", "0", "--name", "tested", "--json", "--no-request-log"],
                              stdout=subprocess.PIPE, env={**os.environ, "OCTET_API_KEYS": KEY})
    url = json.loads(server.stdout.readline())["url"]
    subprocess.run(["curl", "-sf", "--retry", "60", "--retry-delay", "1", "--retry-all-errors", "-o", "/dev/null", url + "/ready"],
                   check=True)
    return server, url


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
        model_args=f"model=tested,base_url={url}/v1/completions,tokenizer_backend=remote,num_concurrent=4,"
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
    octet = sys.argv[2] if len(sys.argv) > 2 else str(ROOT / "build" / "release" / "octet")
    server, url = start(octet, model)
    try:
        client = openai.OpenAI(base_url=url + "/v1", api_key=KEY, max_retries=0)
        check_chat(client)
        check_rest_of_openai(client, url)
        check_anthropic(url)
        check_curl(url)
        check_harness(octet, model, url)
        check_harness_chat(url)
    finally:
        server.send_signal(signal.SIGTERM)
        check("the server ends with 0", server.wait(60) == 0)
    print(f"{len(failures)} failures")
    sys.exit(1 if failures else 0)


main()
