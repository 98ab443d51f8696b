// Limits of a journal that are as small as they may be.

import SidetoneRecords

extension JournalLimits {
  /// A ring and a staging of two entries of the greatest length, and so many segments of one.
  package static func least(segments: Int) -> JournalLimits {
    var limits = JournalLimits()
    limits.ringBytes = 2 * JournalRecord.bytesMax
    limits.stagedBytes = 2 * JournalRecord.bytesMax
    limits.segmentBytes = JournalRecord.bytesMax + SegmentHead.bytes
    limits.bytesMax = segments * limits.segmentBytes
    return limits
  }
}
