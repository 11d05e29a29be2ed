// offered_file.hpp: one file of a published directory: whether it is one to offer, and what is in it.
//
// Messages speak of the file as "it": whoever hands them on says which. Threads: any. Not for others: they use
// published_directory.hpp, which says what is offered, and why.
#pragma once

#include <string>
#include <string_view>

#include "distri/peer/published_directory.hpp"

namespace distri::peer {

// kInvalidArgument, kTooLarge: a name that nothing is offered under.
Result<> check_offered_name(std::string_view name);
// The name as it can be shown.
std::string printable(const std::string& name);

// What `name` in `directory` is now. Errors: those of stamp_of().
Result<FileStamp> offered_stamp(const FileDescriptor& directory, const std::string& name);

// Size, digest and what the image's header says, and the stamp of what was read. Errors: kNotFound, kInvalidArgument,
// kTooLarge, kPermissionDenied, kUnavailable (it changes meanwhile), kStorageFailed.
struct Inspected {
  FileStamp stamp;
  Result<PublishedFile> content;  // kInvalidArgument, kTooLarge: what follows from the bytes, as long as they stay
};
Result<Inspected> inspect_offered(const FileDescriptor& directory, const std::string& name);

// All of it. Errors: the same.
Result<Bytes> read_offered(const FileDescriptor& directory, const std::string& name);

}  // namespace distri::peer
