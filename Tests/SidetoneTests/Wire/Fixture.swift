// Messages as they come from carriers and upstreams, with invented names.

enum Fixture {
  static let connected = #"{"event":"connected","protocol":"Call","version":"1.0.0"}"#
  static let start = #"""
    {"event":"start","sequenceNumber":"1","streamSid":"MZ00000000000000000000000000000001",\#
    "start":{"streamSid":"MZ00000000000000000000000000000001",\#
    "accountSid":"AC00000000000000000000000000000001","callSid":"CA00000000000000000000000000000001",\#
    "tracks":["inbound"],"customParameters":{"token":"s3cr3t","bot":"sales"},\#
    "mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1}}}
    """#
  static let media = #"""
    {"event":"media","sequenceNumber":"4","streamSid":"MZ00000000000000000000000000000001",\#
    "media":{"track":"inbound","chunk":"2","timestamp":"20","payload":"/////w=="}}
    """#
  static let digit = #"""
    {"event":"dtmf","streamSid":"MZ00000000000000000000000000000001","sequenceNumber":"5",\#
    "dtmf":{"track":"inbound_track","digit":"1"}}
    """#
  static let mark = #"""
    {"event":"mark","sequenceNumber":"6","streamSid":"MZ00000000000000000000000000000001",\#
    "mark":{"name":"utt-7#3"}}
    """#
  static let stop = #"""
    {"event":"stop","sequenceNumber":"90","streamSid":"MZ00000000000000000000000000000001",\#
    "stop":{"accountSid":"AC00000000000000000000000000000001",\#
    "callSid":"CA00000000000000000000000000000001"}}
    """#
  static let results = #"""
    {"type":"Results","channel_index":[0,1],"duration":1.039875,"start":0.0,"is_final":false,\#
    "speech_final":false,"channel":{"alternatives":[{"transcript":"another big problem",\#
    "confidence":0.98975,"words":[{"word":"another","start":0.08,"end":0.4,"confidence":0.99},\#
    {"word":"big","start":0.4,"end":0.6,"confidence":0.98}]}]},"metadata":{"request_id":"r-1"}}
    """#

  static let all = [connected, start, media, digit, mark, stop, results]
}
