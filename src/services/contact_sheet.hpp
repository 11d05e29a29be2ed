// contact_sheet.hpp: one picture that shows what the image service did: original, encrypted, decrypted, side by side.
//
// Threads: a pure function, callable from any thread.
#pragma once

#include <string>
#include <vector>

#include "distri/utils/bytes.hpp"

namespace distri::services {

// One photograph: three files, and the name to show. Files that do not decode become grey boxes.
struct ContactRow {
  std::string name;
  Bytes original;
  Bytes encrypted;
  Bytes decrypted;
};

struct ContactSheetOptions {
  std::string title = "distri: encrypted photographs";
  // Thumbnails shrink until the sheet is no larger than this.
  std::size_t bytes_max = 1'400'000;
  // More rows than this are left out; the subtitle says so.
  std::size_t rows_max = 24;
};

// A PNG. Each row is captioned with name and sizes, and with "bit-exact" or "DIFFERS" after comparing original and
// decrypted. kInvalidArgument without rows; kInternal when OpenCV fails.
Result<Bytes> make_contact_sheet(const std::vector<ContactRow>& rows, const ContactSheetOptions& options = {});

}  // namespace distri::services
