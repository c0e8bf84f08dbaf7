"""Pages in a real browser: Chromium, where there is one."""

import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
in_a_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


def data_of(path):
    """What a page holds, and all of it."""
    page = path.read_text("utf-8")
    (data,) = re.findall(
        r'<script type="application/json" id="data">(.*)</script>', page
    )
    return json.loads(data), page


def in_browser(path, steps, choices=""):
    """Run steps of JavaScript on a page, as a user would; return what they return."""
    script = f"""<script>
    const set = (id, value) => {{
      const input = document.getElementById(id);
      if (input.type === "checkbox") input.click(); else {{
        input.value = value;
        input.dispatchEvent(new Event("input", {{bubbles: true}}));
      }}
    }};
    const word = (number, text = 0) =>
      document.querySelectorAll("section")[text].querySelectorAll(".word")[number];
    const arcs = () => [...document.querySelectorAll(".arc")]
      .filter(arc => arc.style.display !== "none")
      .map(arc => arc.querySelector("title").textContent).sort();
    const info = () => document.getElementById("info").textContent;
    const result = [];
    {steps}
    const shown = document.createElement("pre");
    shown.id = "result";
    shown.textContent = JSON.stringify(result);
    document.body.append(shown);
    </script></body>"""
    page = path.read_text("utf-8").replace("</body>", script)
    changed = path.with_name("steps.html")
    changed.write_text(page, "utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu"]
    command += [f"--user-data-dir={path.with_name('profile')}", "--dump-dom"]
    command += ["--virtual-time-budget=5000", changed.as_uri() + choices]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    (result,) = re.findall(r'<pre id="result">(.*?)</pre>', done.stdout.decode(), re.S)
    return json.loads(
        result.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    )
