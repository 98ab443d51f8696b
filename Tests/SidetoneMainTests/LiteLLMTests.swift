// A LiteLLM proxy beside the program itself: its address is all that is set, and a caller's key is
// good where the proxy says so, also after the process that asks it was killed.

import Foundation
import Testing

@Suite(.enabled(if: Program.isBuilt)) struct LiteLLMTests {
  @Test func `LITELLM_URL alone is a means, and its process is started again`() throws {
    let (status, out, errors) = try Program.run(
      #"""
      cat > twin.py <<'END'
      import http.server, json
      class Twin(http.server.BaseHTTPRequestHandler):
          def do_GET(self):
              good = self.headers.get("Authorization") == "Bearer sk-good"
              body = {"info": {"blocked": None}} if good else {"error": {"message": "no", "type": "auth_error"}}
              text = json.dumps(body).encode()
              self.send_response(200 if good else 401)
              self.send_header("Content-Length", str(len(text)))
              self.end_headers()
              self.wfile.write(text)
          def log_message(self, *_): pass
      server = http.server.HTTPServer(("127.0.0.1", 0), Twin)
      print(server.server_address[1], flush=True)
      server.serve_forever()
      END
      python3 twin.py > twin.port & twin=$!
      for try in $(seq 200); do [ -s twin.port ] && break; sleep 0.05; done
      LITELLM_URL=http://127.0.0.1:$(cat twin.port)/ LITELLM_MASTER_KEY=sk-the-master-key \
        SIDETONE_AUTH_LITELLM_CACHE_SECONDS=0 sidetone serve --listen-address 127.0.0.1:0 & relay=$!
      for try in $(seq 200); do grep -q '"listening"' errors && break; sleep 0.05; done
      port=$(sed -n 's/.*"listening".*127.0.0.1:\([0-9]*\).*/\1/p' errors | head -1)
      status() {
        printf "GET /stats HTTP/1.1\r\nHost: localhost\r\n$1\r\n" \
          | timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; cat >&3; head -1 <&3"
      }
      status ''
      status 'Authorization: Bearer sk-good\r\n'
      status 'Authorization: Bearer sk-bad\r\n'
      status 'Authorization: Bearer sk-the-master-key\r\n'
      kill -9 $(pgrep -P $relay)
      for try in $(seq 100); do grep -q fetcher_lost errors && break; sleep 0.05; done
      status 'Authorization: Bearer sk-good\r\n'
      for try in $(seq 100); do
        status 'Authorization: Bearer sk-good\r\n' | grep -q 200 && break; sleep 0.05
      done
      status 'Authorization: Bearer sk-good\r\n'
      kill $twin
      wait $twin
      status 'Authorization: Bearer sk-good\r\n'
      kill -TERM $relay
      wait $relay
      """#)
    #expect(status == 0, "\(errors)")
    let answers = out.split(whereSeparator: \.isNewline).map { $0.split(separator: " ")[1] }
    #expect(answers == ["401", "200", "401", "200", "503", "200", "503"], "\(out)\n\(errors)")
    #expect(!errors.contains("sk-good") && !errors.contains("sk-the-master"))
  }
}
