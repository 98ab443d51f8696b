// What the core asks for, done by a disk: the same for the threads that write a journal and for
// those who play them in virtual time.

extension Disk {
  /// `journal`: the directory of its segments; `journals`: what is measured.
  package func perform(
    _ call: JournalCore.Append, in journal: String, of journals: String
  ) -> Result<Int, DiskError> {
    do throws(DiskError) {
      switch call {
      case .create(let number):
        return .success(Int(try create("\(journal)/\(JournalPath.segment(number))")))
      case .write(let file, let bytes, let offset):
        return .success(try write(file, bytes, at: offset))
      case .cut(let file, let size):
        try cut(file, to: size)
        return .success(0)
      case .measure: return .success(try bytes(in: journals))
      }
    } catch {
      return .failure(error)
    }
  }

  package func perform(_ call: JournalCore.Sync, in journal: String) throws(DiskError) {
    switch call {
    case .directory: try syncDirectory(journal)
    case .file(let file): try sync(file)
    case .close(let file): try close(file)
    }
  }
}
