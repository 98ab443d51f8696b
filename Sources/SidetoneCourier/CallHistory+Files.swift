// The two files of a call, as values. docs/schemas holds what they must look like.

extension CallHistory {
  /// The transcript as far as the call has come.
  package var transcript: JSONTree {
    .made([
      "schema_version": .integer(Self.schemaVersion),
      "call_id": .known(id), "call_key": .text(call),
      "started_at": .known(startedAt.map(timestamp)),
      "conversation": .list(lines.map { $0.tree(started: startedAt) }),
    ])
  }

  /// The call file. `transcriptPath` leads from the records' directory to the transcript;
  /// `unextracted` says why nothing is extracted yet.
  package func callFile(transcriptPath: String, eventID: String, unextracted: String) -> JSONTree {
    let known = ended?.object ?? .null
    let duration = known["milliseconds"]?.integer ?? startedAt.map { max(0, lastAt - $0) }
    var file = JSONTree.made([
      "schema_version": .integer(Self.schemaVersion),
      "call_id": .known(id), "call_key": .text(call), "event_id": .text(eventID),
      "stream_id": .known(started?.text("stream")), "path": .known(started?.text("path")),
      "carrier": .known(started?.text("carrier")), "peer": .known(started?.text("peer")),
      "two_way": started?.object["two_way"] ?? .null,
      "upstream": upstream,
      "started_at": .known(startedAt.map(timestamp)),
      "ended_at": .known((ended?.at ?? firstAt.map { _ in lastAt }).map(timestamp)),
      "duration_ms": .known(duration),
      "cause": .made([
        "word": .known(known["cause"]?.string), "sentence": .known(known["sentence"]?.string),
      ]),
      "legs": .made([
        "caller": known["caller"] ?? .null, "upstream": known["upstream"] ?? .null,
      ]),
      "delays": known["delays"] ?? .null, "levels": known["levels"] ?? .null,
      "confidence": confidence,
      "interruptions": known["interruptions"] ?? .integer(interruptions),
      "barge_ins": .made(["count": .integer(bargeIns.count), "at_ms": .list(bargeIns)]),
      "heard_ms": known["heard_milliseconds"] ?? .null,
      "generated_ms": known["generated_milliseconds"] ?? .null,
      "keys": .list(keys), "losses": .list(losses), "redials": .integer(redials),
      "functions": .list(functions), "turns": .list(turns), "answer_delays": answerDelayFigures,
      "questions": .list(questions),
      "parameters": started?.object["parameters"] ?? .null,
      "parameters_left_out": .integer(started?.integer("parameters_left_out") ?? 0),
      "transcript": .text(transcriptPath), "lines": .integer(lines.count),
      "missing_lines": .integer(missing), "missing_of_relay": .integer(missingOfRelay),
      "missing_reasons": .list(missingReasons.map { .text($0) }),
      "extracted": .null, "extracted_at": .null, "extracted_reason": .text(unextracted),
      "extracted_reasons": .null,
    ])
    copyUnknown(into: &file)
    return file
  }

  /// A function that the model has called, when nothing more was owed of it.
  func function(_ entry: Entry) -> JSONTree {
    let error = entry.text("error").flatMap { $0.isEmpty ? nil : $0 }
    let status = entry.integer("status").flatMap { $0 > 0 ? $0 : nil }
    return .made([
      "name": .known(entry.text("name")), "id": .known(entry.text("id")),
      "at_ms": offset(of: entry), "duration_ms": .known(entry.integer("milliseconds")),
      "outcome": .known(entry.text("outcome")), "error": .known(error),
      "status": .known(status),
    ])
  }

  private var upstream: JSONTree {
    let ending = ended?.text("request").flatMap { $0.isEmpty ? nil : $0 }
    return .made([
      "name": .known(started?.text("upstream")), "service": .known(started?.text("service")),
      "model": .known(started?.text("model")), "request": .known(ending ?? request),
      "connect_ms": .known(connectMilliseconds),
      "reconnect_ms_max": .known(reconnectMilliseconds), "sessions": .integer(sessions),
      "words": .known(ended?.text("words")),
      "fallback": fallback.map { entry in
        .made([
          "name": .known(entry.text("upstream")), "at_ms": offset(of: entry),
          "sentence": .known(entry.text("sentence")),
        ])
      } ?? .null,
    ])
  }

  /// How sure the upstream was of the final lines for which it said so.
  private var confidence: JSONTree {
    let all = lines.compactMap(\.confidence.double)
    guard let lowest = all.min() else {
      return .made(["count": .integer(0), "min": .null, "mean": .null])
    }
    let mean = all.reduce(0, +) / Double(all.count)
    return .made([
      "count": .integer(all.count), "min": .decimal(lowest), "mean": .decimal(mean),
    ])
  }

  /// From the end of what the caller said to the answer's being heard.
  private var answerDelayFigures: JSONTree {
    let sorted = answerDelays.sorted()
    let half = sorted.isEmpty ? nil : sorted[(sorted.count - 1) / 2]
    return .made([
      "count": .integer(sorted.count), "p50_ms": .known(half), "max_ms": .known(sorted.last),
    ])
  }

  /// What the agent said, with what the caller then said; lines that follow each other on one side
  /// are one. What the caller says before the agent has spoken answers nothing.
  private var questions: [JSONTree] {
    struct Pair {
      var question: [SpokenLine] = []
      var answer: [SpokenLine] = []
    }
    var pairs: [Pair] = []
    for line in lines where !line.text.isEmpty {
      if line.speaker == SpokenLine.agent {
        if pairs.last?.answer.isEmpty ?? false {
          pairs[pairs.count - 1].question.append(line)
        } else {
          pairs.append(Pair(question: [line]))
        }
      } else if line.speaker == SpokenLine.caller, !pairs.isEmpty {
        pairs[pairs.count - 1].answer.append(line)
      }
    }
    func joined(_ lines: [SpokenLine]) -> JSONTree {
      .known(lines.map(\.text).joined(separator: " "))
    }
    return pairs.map { pair in
      .made([
        "question": joined(pair.question), "answer": joined(pair.answer),
        "question_start_ms": .known(pair.question.first?.start),
        "answer_start_ms": .known(pair.answer.first?.start),
      ])
    }
  }

  /// Members of `ended` that stand nowhere else.
  private static let placed: Set = [
    "kind", "call", "at", "cause", "sentence", "milliseconds", "caller", "upstream", "delays",
    "levels", "interruptions", "heard_milliseconds", "generated_milliseconds", "words", "request",
  ]

  /// Later relays know more of a call's end. It is copied under its own name, or with `ended_` in
  /// front of it where the file has that name for something else.
  private func copyUnknown(into file: inout JSONTree) {
    for member in ended?.object.members ?? [] where !Self.placed.contains(member.name) {
      let name = file[member.name] == nil ? member.name : "ended_" + member.name
      if file[name] == nil { file.set(name, member.value) }
    }
  }
}

extension JSONTree {
  /// A call file with what was found in the call.
  package func with(_ extracted: Extracted, at now: Int64) -> JSONTree {
    var file = self
    file.set("extracted", extracted.fields)
    file.set("extracted_at", .text(timestamp(now)))
    file.set("extracted_reason", .null)
    file.set("extracted_reasons", extracted.reasons)
    return file
  }

  /// A call file in which nothing is found, with the reason.
  package func unextracted(_ reason: String) -> JSONTree {
    var file = self
    file.set("extracted_reason", .text(reason))
    return file
  }
}
