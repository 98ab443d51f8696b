// What has happened since the start, as counts. Only ever added to.

package struct Totals: Sendable {
  package var callsStarted = 0
  package var callsEnded = 0
  /// Of these, the ones that had started.
  package var callsEndedAfterStart = 0
  package var callsRefused = 0
  package var refusedLinks = 0
  package var requests = 0
  package var bytesIn = 0
  package var bytesOut = 0
  /// Audio handed to upstreams.
  package var bytesToUpstreams = 0
  package var frames = 0
  package var framesBad = 0
  package var framesLost = 0
  package var audioLost = 0
  package var messagesBad = 0
  package var messagesIgnored = 0
  package var answersTooLong = 0
  package var transcripts = 0
  package var upstreamsLost = 0
  package var redials = 0
  package init() {}
}
