// A webhook as a destination of the courier: its state machine (Webhook.swift) joined with an HTTP
// client of its own, so that a hook that is slow has no part in any other.

import Sidetone

/// Why settings of the courier cannot be used: a sentence that begins with the setting's name.
package struct CourierMistake: Error, Equatable, Sendable {
  package let sentence: String
  package init(sentence: String) { self.sentence = sentence }
}

extension WebhookConfig {
  package init(_ config: HookConfig) throws(CourierMistake) {
    if config.events.isEmpty {
      throw CourierMistake(sentence: "`events` is empty: nothing would be sent")
    }
    var keys: [WebhookSecret] = []
    for (index, secret) in config.secrets.enumerated() {
      do throws(WebhookSecret.Mistake) {
        keys.append(try WebhookSecret(secret))
      } catch {
        throw CourierMistake(sentence: "`secrets`: number \(index + 1) \(error.sentence)")
      }
    }
    let place: HTTPURL
    do throws(HTTPURL.Mistake) {
      place = try HTTPURL(config.url, allowsPlain: config.isPlain)
    } catch {
      throw CourierMistake(sentence: "`url` \(error.sentence)")
    }
    self.init(url: place, secrets: keys, events: config.events)
  }
}

package final class WebhookDestination: Destination {
  package let name: String
  package let shownName: String

  private var hook: Webhook
  private let client: HTTPClient
  /// The rows of events by the numbers of their requests.
  private var rows: [UInt64: Int64] = [:]
  private var finished: [Finished] = []
  /// The last time that was told.
  private var now: Int64

  /// `number`: which of several at the same address it is, from 1.
  package init(
    _ config: WebhookConfig, number: Int = 1, client: HTTPClient, random: Random, at now: Int64
  ) {
    let mark = fingerprint(config.url.text)
    let ending = number == 1 ? "" : " \(number)"
    name = "webhook \(mark)\(ending)"
    // The path may be a secret; the mark tells hooks of one host apart.
    shownName = "webhook \(config.url.place) (\(mark.prefix(4))\(ending))"
    hook = Webhook(config, random: random)
    self.client = client
    self.now = now
  }

  /// As the settings have it.
  package convenience init(
    _ config: HookConfig, number: Int = 1, at now: Int64
  ) throws(Trouble) {
    let hook: WebhookConfig
    do throws(CourierMistake) {
      hook = try WebhookConfig(config)
    } catch {
      throw Trouble("a webhook cannot be used: \(error.sentence)")
    }
    self.init(
      hook, number: number, client: try HTTPClient(), random: .unforeseen(), at: now)
  }

  package func wants(_ kind: EventKind) -> Bool { hook.config.events.contains(kind) }

  package func turnedOn() { hook.turnOn() }

  package var room: Int { hook.room(at: now) }

  package func begin(_ event: OutgoingEvent, transcript: () -> JSONTree, at now: Int64) {
    self.now = now
    if let request = hook.begin(event, at: now) {
      rows[client.begin(request)] = event.row
    } else {
      // Nobody was asked to: it lies in the spool a little longer.
      let reason = "the hook has no room for it now"
      finished.append(Finished(row: event.row, verdict: .again(at: now + 1000, reason: reason)))
    }
  }

  package var awaited: [Awaited] { [Awaited(descriptor: client.descriptor)] }

  package var wakeTime: Int64? {
    if !finished.isEmpty { return now }
    let times = [hook.wakeTime(at: now), client.waitMilliseconds.map { now + Int64($0) }]
    return times.compactMap(\.self).min()
  }

  package func advance(at now: Int64) -> [Finished] {
    self.now = now
    for ended in client.advance() {
      guard let row = rows.removeValue(forKey: ended.id),
        let verdict = hook.finished(row, ended.result, at: now)
      else { continue }
      finished.append(Finished(row: row, verdict: verdict))
    }
    defer { finished.removeAll() }
    return finished
  }
}

/// A short name for a text that may be a secret: the first 16 digits of its SHA-256.
func fingerprint(_ text: String) -> String {
  Bytes.withTemporary(Digest.sha256Bytes + 16) { room in
    let digest = room.prefix(Digest.sha256Bytes)
    Array(text.utf8).withBytes { Digest.sha256($0, into: digest) }
    var writer = Writer(room.dropping(Digest.sha256Bytes))
    writer.write(hex: digest.prefix(8))
    return writer.written.string
  }
}
