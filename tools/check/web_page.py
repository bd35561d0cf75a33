"""Uses the page of a real `octet serve` in a real headless Chromium, through chromedriver.

    python3 tools/check/web_page.py MODEL [OCTET] [--screenshot FILE.png]      `make test-web`

Needs Debian's chromium and chromium-driver, and is skipped with a reason where they aren't; Python's own library is enough. MODEL has a chat
template. Exits with 1 where a check fails.
"""
import base64
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY = "a-key-for-the-page-0123"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # what the WebDriver standard calls one
XSS = ("<img src=x onerror=\"window.hit=1\"><script>window.hit=1</script>\n\n**bold** `<b>code</b>` [a](javascript:window.hit=1)\n\n"
       "- one\n- <svg onload=window.hit=1>\n\n```html\n<iframe srcdoc=\"<script>parent.hit=1</script>\"></iframe>\n```\n# Head")
failures = []


def check(name, holds, seen=""):
    print(f"{'ok  ' if holds else 'FAIL'} {name} {seen}", flush=True)
    if not holds:
        failures.append(name)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Browser:
    """One window, by the WebDriver protocol (W3C recommendation, 2018)."""

    def __init__(self):
        self.port = free_port()
        self.driver = subprocess.Popen(["chromedriver", f"--port={self.port}", "--silent"], stdout=subprocess.DEVNULL)
        self.session = ""
        self.until(lambda: self.call("GET", "/status")["ready"], "chromedriver starts")
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"}, "unhandledPromptBehavior": "accept"}}})
        self.session = "/session/" + session["sessionId"]

    def call(self, method, path, body=None):
        data = None if method == "GET" else json.dumps(body or {}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{self.session}{path}", data, {"Content-Type": "application/json"},
                                         method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                return json.loads(reply.read())["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode()[:500]}") from error

    def until(self, holds, what, seconds=90):
        end = time.time() + seconds
        while time.time() < end:
            try:
                if holds():
                    return True
            except (OSError, RuntimeError):
                pass
            time.sleep(0.05)
        check(what, False, "not within the time")
        return False

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.call("POST", f"/element/{self.find(selector)}/click")

    def press(self, selector, text):
        self.call("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def click_named(self, text):
        self.run("[...document.querySelectorAll('button')].find(b => b.textContent === arguments[0]).focus()", text)
        self.call("POST", f"/element/{self.call('GET', '/element/active')[ELEMENT]}/click")

    def texts(self, selector):
        return self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector)

    def open(self, url):
        self.call("POST", "/url", {"url": url})

    def size(self, width, height):
        # Below the narrowest window that the system allows, as phones are.
        self.call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}})

    def log(self):
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})]

    def close(self):
        self.call("DELETE", "")
        self.driver.terminate()
        self.driver.wait(20)


def start(octet, model):
    server = subprocess.Popen([octet, "serve", model, "--port", "0", "--name", "assistant", "--json", "--no-request-log"],
                              stdout=subprocess.PIPE, env={**os.environ, "OCTET_API_KEYS": KEY})
    return server, json.loads(server.stdout.readline())["url"]


def answered(browser, count):
    return browser.until(lambda: len(browser.texts(".turn.assistant")) == count and
                         browser.run("return !running && !document.querySelector('.wrong')"), f"{count} answers")


def check_key(browser, url):
    browser.open(url + "/")
    browser.until(lambda: browser.run("return !document.getElementById('key').hidden"), "the page asks for a key")
    browser.press("#key-text", "wrong\ue007")
    browser.until(lambda: browser.run("return !document.getElementById('key').hidden"), "a wrong key is asked for again")
    browser.press("#key-text", KEY + "\ue007")
    check("a key opens the API", browser.until(lambda: browser.texts("#model option") == ["assistant"], "models are listed"))
    check("the key is kept for the session alone", browser.run(
        "return sessionStorage.getItem('octet.key') === arguments[0] && !JSON.stringify({...localStorage}).includes(arguments[0])", KEY))


def check_answers(browser):
    browser.press("#max_tokens", "48")
    browser.press("#temperature", "0")
    browser.press("#text", "Name three colours, as a list.\ue007")
    check("the message is shown at once", browser.texts(".turn.user .body") == ["Name three colours, as a list."])
    lengths = set()
    browser.until(lambda: lengths.add(len(browser.texts(".turn.assistant .body")[0])) or browser.run("return !running"), "an answer ends")
    check("the answer streams", len(lengths) > 3, f"{len(lengths)} lengths seen")
    answered(browser, 1)
    first = browser.texts(".turn.assistant .body")[0]
    check("an answer", len(first) > 5, repr(first[:60]))
    foot = browser.texts(".turn.assistant .foot")[0]
    check("its tokens and speed", "tokens/s" in foot and "in the prompt" in foot, foot)
    check("the focus is back in the message", browser.run("return document.activeElement.id") == "text")
    browser.click_named("Retry")
    browser.until(lambda: browser.run("return !running"), "a retry ends")
    check("a retry of a greedy answer is the same", browser.texts(".turn.assistant .body") == [first])
    browser.click_named("Edit")
    browser.press(".turn textarea", "\ue009a\ue000Say hello.")
    browser.click_named("Send changed")
    answered(browser, 1)
    check("an edit replaces message and answer", browser.texts(".turn.user .body") == ["Say hello."] and
          browser.texts(".turn.assistant .body") != [first])
    browser.press("#text", "And in French?\ue008\ue007\ue008More.\ue007")
    answered(browser, 2)
    check("Shift+Enter begins a line", browser.texts(".turn.user .body")[1] == "And in French?\nMore.")


def check_stop(browser):
    browser.run("document.getElementById('max_tokens').value = ''")
    browser.press("#text", "Write a very long story of a lighthouse.\ue007")
    browser.until(lambda: len(browser.texts(".turn.assistant .body")[-1]) > 20, "a long answer begins")
    browser.click("#stop")
    browser.until(lambda: browser.run("return !running"), "the stop is done")
    text = browser.texts(".turn.assistant .body")[-1]
    foot = browser.texts(".turn.assistant .foot")[-1]
    check("a stop keeps what there is", len(text) > 20 and "stopped" in foot and "tokens/s" in foot, foot)
    time.sleep(0.5)
    check("and nothing follows", browser.texts(".turn.assistant .body")[-1] == text)


def check_history(browser):
    turns = browser.texts(".turn .body")
    browser.call("POST", "/refresh")
    browser.until(lambda: browser.texts("#model option") == ["assistant"], "the page comes back with the key")
    check("a reload keeps the conversation", browser.texts(".turn .body") == turns and len(turns) >= 6, f"{len(turns)} turns")
    browser.click("#fresh")
    check("a new chat is empty", browser.texts(".turn .body") == [])
    check("the old one is in the list", browser.texts("#chats .open") == ["Say hello."])
    browser.click("#chats .open")
    check("and opens", browser.texts(".turn .body") == turns)


def check_hostile(browser):
    browser.run("localStorage.setItem('octet.chats', JSON.stringify([{id: 'x', title: arguments[0], turns: "
                "[{role: 'user', text: arguments[0]}, {role: 'assistant', text: arguments[0]}]}]))", XSS)
    browser.call("POST", "/refresh")
    browser.until(lambda: len(browser.texts(".turn")) == 2, "the stored chat is shown")
    time.sleep(0.3)
    check("HTML of a model stays text", browser.run("return window.hit === undefined && "
          "document.querySelectorAll('#log img, #log script, #log svg, #log iframe, #log a, #log b').length === 0"))
    check("and is shown whole", "<img src=x onerror=" in browser.texts(".turn.assistant .body")[0])
    check("Markdown is drawn", browser.texts("#log strong") == ["bold"] and browser.texts("#log li")[0] == "one" and
          browser.texts("#log p code") == ["<b>code</b>"] and "<iframe" in browser.texts("#log pre")[0] and browser.texts("#log h4") == ["Head"])
    browser.run("const e = document.createElement('script'); e.textContent = 'window.hit = 2'; document.body.append(e)")
    check("the policy refuses a script that was put in", browser.run("return window.hit === undefined"))
    refused = [line for line in browser.log() if "Content Security Policy" in line]
    check("and says so once", len(refused) == 1, str(refused)[:100])
    browser.click("#chats li button[aria-label^=Delete]")
    check("a chat is deleted for good", browser.run("return localStorage.getItem('octet.chats')") == "[]" and browser.texts(".turn") == [])


def check_access(browser):
    nameless = browser.run("return [...document.querySelectorAll('input, textarea, select, button')].filter(e => "
                           "!(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim())).map(e => e.id)")
    check("every control has a name", nameless == [], str(nameless))
    check("answers are announced", browser.run("const l = document.getElementById('log'); return l.getAttribute('role') + "
                                               "l.getAttribute('aria-live')") == "logpolite")
    seen = []
    browser.run("document.activeElement.blur(); window.scrollTo(0, 0)")
    for _ in range(24):
        active = browser.call("GET", "/element/active")[ELEMENT]
        browser.call("POST", f"/element/{active}/value", {"text": "\ue004"})
        seen.append(browser.run("return document.activeElement.id"))
    check("the keyboard reaches all", {"model", "theme", "fresh", "system", "seed", "log", "text", "send"} <= set(seen), str(seen))
    before = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.click("#theme")
    check("the theme switches", browser.run("return getComputedStyle(document.body).backgroundColor") != before)
    browser.click("#theme")
    for width in (375, 320, 1280):
        browser.size(width, 700)
        check(f"no sideways scrolling at {width} px", browser.run("return document.documentElement.scrollWidth") <= width)
    browser.size(375, 700)
    browser.click("#menu")
    check("the menu opens on a phone", browser.run("const m = document.getElementById('menu'); return m.getAttribute('aria-expanded') "
                                                   "+ (document.getElementById('side').offsetHeight > 100)") == "truetrue")
    check("and nothing scrolls sideways then", browser.run("return document.documentElement.scrollWidth") <= 375)
    browser.click("#menu")


def take_screenshot(browser, path):
    browser.size(900, 620)
    browser.click("#fresh")
    browser.run("document.getElementById('max_tokens').value = '120'")
    browser.press("#text", "Name three colours, as a list, and say what each stands for.\ue007")
    answered(browser, 1)
    browser.run("document.activeElement.blur()")
    png = base64.b64decode(browser.call("GET", "/screenshot"))
    pathlib.Path(path).write_bytes(png)
    check("the screenshot is small", len(png) < 150_000, f"{len(png)} bytes")


def main():
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        print(f"skipped: {' and '.join(missing)} missing; Debian's packages chromium and chromium-driver have them")
        return 0
    words = [word for word in sys.argv[1:] if word != "--screenshot"]
    screenshot = words.pop() if "--screenshot" in sys.argv else None
    server, url = start(words[1] if len(words) > 1 else str(ROOT / "build" / "release" / "octet"), words[0])
    browser = Browser()
    try:
        check_key(browser, url)
        check_answers(browser)
        check_stop(browser)
        check_history(browser)
        refused = [line for line in browser.log() if "Content Security Policy" in line or "Uncaught" in line]
        check("nothing met the policy or an error", refused == [], str(refused))
        check_hostile(browser)
        check_access(browser)
        if screenshot:
            take_screenshot(browser, screenshot)
    finally:
        browser.close()
        server.send_signal(signal.SIGTERM)
        check("the server ends with 0", server.wait(60) == 0)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
