// What `--help` says. The settings come from the list that reads them, and what is said about
// single upstreams and carriers from their rows.

import SidetoneSettings

enum Help {
  static var overview: String {
    let start = wrapped(
      "No file is needed. Without any setting the relay listens on 127.0.0.1:8080 and serves this "
        + "machine only. Set \(keysHelp).")
    return """
      sidetone relays call audio between telephony WebSockets and streaming speech-to-text
      or voice models.

        sidetone serve [--config FILE]   run the relay, in the foreground, until it is told to stop
        sidetone check [--config FILE]   list every mistake in the settings, or the memory they take
        sidetone doctor [--config FILE]  open a session with each upstream, and say what came of it
        sidetone phrases [--config FILE] have the texts spoken that callers hear, and keep them
        sidetone courier [--once]        deliver what is written down: files, webhooks, extraction
        sidetone records journal         print what is written down, a line for each thing
        sidetone version                 print the version
        sidetone help                    print this; `sidetone serve --help` lists every setting

      \(start)

      Exit status: 0 all is well; 1 the relay could not start; 2 the settings or the command are
      wrong.
      """
  }

  static let check = """
    sidetone check [--config FILE] [--SETTING VALUE ...]

    Reads the settings exactly as `serve` would, without starting anything. Prints every mistake
    with its place and exits 2, or prints "ok", the routes and the memory that the relay will
    take, and exits 0. `sidetone serve --help` lists every setting.
    """

  static let doctor = """
    sidetone doctor [--config FILE] [--SETTING VALUE ...]

    Reads the settings as `serve` would and opens a session with each upstream that has its key, as
    calls on its routes would, without audio, and ends it. Prints what was accepted, what was
    refused and in whose words, and how long it took. Exits 0 where every session was had and ended
    as it should, otherwise 1, also where none was tried.
    """

  static let phrases = """
    sidetone phrases [--config FILE] [--SETTING VALUE ...]

    Has each text of the settings spoken, such as hold = { say = "One moment, please." }, by the
    voice of its cascade, and keeps it as a WAV file below [phrases] directory. Prints a line for
    each, also for those that are kept already. `serve` does the same by itself, beside its calls.
    Exits 0; 1 where one could not be had.
    """

  static let courier = """
    sidetone courier [--once] [--directory DIRECTORY] [--config FILE] [--SETTING VALUE ...]

    Delivers what relays have written down below [records] directory: transcripts and call files,
    webhooks, extraction. `serve` starts one by itself; run it alone where a service manager shall,
    or, with --once, to deliver what there is and end. Exits 0; 1 where it cannot work there.
    """

  static let records = """
    sidetone records journal [--call ID] [--directory DIRECTORY] [--config FILE]
    sidetone records redeliver --since TIME [--directory DIRECTORY] [--config FILE]

    `journal` prints what is written down of calls and not yet cleared away: one JSON object a line,
    of one call where its id is given. docs/journal.md says what stands in them.
    `redeliver` has the ends of calls that began at TIME or later (UTC, such as 2026-11-20 or
    2026-11-20T10:00:00Z) told to the webhooks again, and turns those on that had turned off.
    """

  static let version = """
    sidetone version

    Prints the version of this program and exits 0.
    """

  static var serve: String {
    let variables = wrapped(
      "Also understood, in the environment and in .env: "
        + foreignNamesHelp.map { "\($0), " }.joined()
        + "and SIDETONE_API_KEYS, the keys that callers bring.")
    return """
      sidetone serve [--config FILE] [--SETTING VALUE ...]

      Runs the relay in the foreground. SIGTERM and Ctrl-C let running calls finish and take no new
      ones; a second one ends at once.

      Settings are taken from flags, then the environment, then `.env` in the working directory,
      then the TOML file, then the defaults. One setting has one name everywhere:

        --listen-address 127.0.0.1:8080            a flag
        SIDETONE_LISTEN_ADDRESS=127.0.0.1:8080     the environment, or a line of .env
        [listen]                                   the file
        address = "127.0.0.1:8080"

      \(variables)
      Secrets are not taken from flags, since others can read the command line. An empty variable
      counts as not set.

      \(settingsHelp())
      """
  }

  /// In lines of at most 92 columns, as the rest of the text.
  private static func wrapped(_ text: String) -> String {
    var lines = [""]
    for word in text.split(separator: " ") {
      let line = lines[lines.count - 1]
      if line.isEmpty || line.count + 1 + word.count <= 92 {
        lines[lines.count - 1] += (line.isEmpty ? "" : " ") + word
      } else {
        lines.append(String(word))
      }
    }
    return lines.joined(separator: "\n")
  }
}
