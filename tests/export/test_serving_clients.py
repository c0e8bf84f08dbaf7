"""The client of the serving guide, against a stand-in that answers with the archive."""

import http.server
import json
import pathlib
import re
import threading

import numpy as np
import pytest
import tensorflow as tf

GUIDE = pathlib.Path(__file__).parents[2] / "docs" / "serving.md"


@pytest.fixture
def server(archives, load_once):
    """The address of a server that has the REST interface of TF Serving, in rows."""
    archive = load_once(archives["text"])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            size = int(self.headers["Content-Length"])
            request = json.loads(self.rfile.read(size))
            assert self.path == "/v1/models/glomo_text_text:predict"
            signature = archive.signatures[request["signature_name"]]
            outputs = signature(text=tf.constant(request["instances"]))
            rows = [
                {name: tensor.numpy()[row].tolist() for name, tensor in outputs.items()}
                for row in range(len(request["instances"]))
            ]
            body = json.dumps({"predictions": rows}, default=bytes.decode).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_the_client_of_the_standard_library_gets_the_strongest_senders(
    server, text_graphs
):
    (block,) = re.findall(
        r"```python\n((?:(?!```).)*urllib.*?)```", GUIDE.read_text("utf-8"), re.S
    )
    names = {}
    exec(compile(block.replace("localhost:8501", server), "serving.md", "exec"), names)
    found = np.array(names["prediction"]["forward_senders"])
    graphs = text_graphs(["The cat sat on the mat ."])["forward"].numpy()[0]
    strongest = np.where(graphs.max(axis=-1) > 0, graphs.argmax(axis=-1), -1)
    assert found.shape == (*graphs.shape[:-1], 3)  # senders of the export
    np.testing.assert_array_equal(found[..., 0], strongest)
