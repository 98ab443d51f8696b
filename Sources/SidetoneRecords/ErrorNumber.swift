/// errno(3), as far as it is told apart.
package enum ErrorNumber {
  package static let notPermitted: Int32 = 1
  package static let missing: Int32 = 2
  package static let interrupted: Int32 = 4
  package static let inputOutput: Int32 = 5
  package static let wouldBlock: Int32 = 11
  package static let access: Int32 = 13
  package static let exists: Int32 = 17
  package static let notDirectory: Int32 = 20
  package static let isDirectory: Int32 = 21
  package static let tooManyFiles: Int32 = 24
  package static let noSpace: Int32 = 28
  package static let readOnly: Int32 = 30
  package static let quota: Int32 = 122
}
