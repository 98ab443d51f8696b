// SIGHUP to the program itself: a file is changed, and it says what came of that.

import Foundation
import Testing

@Suite(.enabled(if: Program.isBuilt))
struct ReloadTests {
  /// Starts the program with the settings of `file`, does `then` and ends it; the log's events with
  /// their details, in order, from the first reload on. `$port` is where it listens.
  private func run(
    _ file: String, environment: String = "", _ then: String
  ) throws -> (events: [(event: String, detail: String)], out: String) {
    let (status, out, errors) = try Program.run(
      """
      cat > f.toml <<'END'
      \(file)
      END
      \(environment) sidetone serve --config f.toml --listen-address 127.0.0.1:0 & relay=$!
      for try in $(seq 200); do grep -q '"listening"' errors && break; sleep 0.05; done
      port=$(sed -n 's/.*"listening".*127.0.0.1:\\([0-9]*\\).*/\\1/p' errors | head -1)
      # $1: how many reloads have been answered by then.
      reload() {
        kill -HUP $relay
        for try in $(seq 200); do
          [ $(grep -c '"reloaded"\\|nothing was changed' errors) -ge $1 ] && break; sleep 0.05
        done
      }
      status() {
        printf "GET $1 HTTP/1.1\\r\\nHost: localhost\\r\\n$2\\r\\n" \\
          | timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port; cat >&3; head -1 <&3"
      }
      \(then)
      kill -TERM $relay
      wait $relay
      """)
    #expect(status == 0, "\(errors)")
    let lines = try errors.split(separator: "\n").map { line in
      try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
    }
    let events = lines.map { ($0["event"] as? String ?? "", $0["detail"] as? String ?? "") }
    return (
      events.filter { ["setting_changed", "reloaded", "reload_refused"].contains($0.0) }, out
    )
  }

  @Test func `a route comes, a key is another, and a mistake leaves both`() throws {
    let (events, out) = try run(
      """
      [auth]
      api_keys = ["first"]
      [[routes]]
      path = "/a"
      upstream = "echo"
      """,
      """
      status /stats 'Authorization: Bearer first\\r\\n'
      sed -i 's/first/second/' f.toml
      printf '[[routes]]\\npath = "/b"\\nupstream = "echo"\\n[limits]\\ncalls_max = 5\\n' >> f.toml
      reload 1
      status /stats 'Authorization: Bearer first\\r\\n'
      status /stats 'Authorization: Bearer second\\r\\n'
      status /b 'Authorization: Bearer second\\r\\n'
      sed -i 's/second/third/; s/"echo"/"ehco"/' f.toml
      reload 2
      status /stats 'Authorization: Bearer second\\r\\n'
      rm f.toml
      reload 3
      status /stats 'Authorization: Bearer second\\r\\n'
      """)
    let codes = out.split(whereSeparator: \.isNewline).map { $0.split(separator: " ")[1] }
    // /b is there: it wants a WebSocket.
    #expect(codes == ["200", "401", "200", "426", "200", "200"], "\(out)")
    let (changes, rest) = (events.prefix(4), events.dropFirst(4))
    #expect(
      changes.map(\.event) == ["setting_changed", "setting_changed", "setting_changed", "reloaded"])
    #expect(changes[0].detail == "auth.api_keys counts from now on")
    #expect(changes[1].detail.hasPrefix("limits.calls_max needs a restart"))
    #expect(changes[2].detail == "routes /b counts from now on")
    #expect(rest.allSatisfy { $0.event == "reload_refused" } && rest.count == 5, "\(events)")
    let said = rest.map(\.detail)
    #expect(said[0] == "f.toml:5: [[routes]] upstream `ehco` is not known; did you mean `echo`?")
    #expect(said[1].hasPrefix("f.toml:8: ") && said[2].hasPrefix("nothing was changed"))
    #expect(said[3] == "f.toml: cannot be read: No such file or directory")
    #expect(!events.contains { $0.detail.contains("second") })
  }

  @Test func `nothing changed is said too, and .env is read anew`() throws {
    let (events, out) = try run(
      "",
      """
      reload 1
      echo SIDETONE_API_KEYS=a-key > .env
      reload 2
      status /stats
      status /stats 'X-API-Key: a-key\\r\\n'
      """)
    #expect(
      out.split(whereSeparator: \.isNewline).map { $0.split(separator: " ")[1] } == ["401", "200"])
    #expect(events.map(\.event) == ["reloaded", "setting_changed", "reloaded"])
    #expect(events[0].detail.hasPrefix("the settings are what they were"))
    #expect(events[1].detail == "auth.api_keys counts from now on")
  }

  @Test func `a file that must not be read is a mistake`() throws {
    // The superuser may read everything.
    guard getuid() != 0 else { return }
    let (events, _) = try run("", "chmod 000 f.toml; reload 1")
    #expect(events.first?.detail == "f.toml: cannot be read: Permission denied")
  }

  @Test func `another webhook has the courier started again`() throws {
    let (events, out) = try run(
      """
      [records]
      directory = "data"
      """,
      """
      courier() { pgrep -P $relay; }
      for try in $(seq 100); do [ -n "$(courier)" ] && break; sleep 0.05; done
      sleep 0.5
      before=$(courier)
      cat >> f.toml <<'END'
      [[records.webhooks]]
      url = "http://127.0.0.1:9/"
      secrets = ["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"]
      END
      reload 1
      for try in $(seq 100); do
        now=$(courier); [ -n "$now" ] && [ "$now" != "$before" ] && break; sleep 0.05
      done
      [ -n "$before" ] && [ "$now" != "$before" ] && echo another
      grep -c courier_lost errors
      """)
    #expect(events.last?.event == "reloaded")
    #expect(out == "another\n0\n", "\(out) \(events)")
  }
}
