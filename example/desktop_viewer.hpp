// desktop_viewer.hpp: shows an image with the program that the user's desktop has for it (xdg-open).
//
// The image lies in a folder of its own while this program runs, for its user alone (modes 0700 and 0600), and is
// removed with the DesktopViewer, or by the next one when a program was killed. The file's name is made here, never by
// others. Threads: one at a time.
#pragma once

#include <memory>
#include <string>

#include "distri/utils/bytes.hpp"
#include "distri/utils/result.hpp"

namespace example {

class DesktopViewer {
 public:
  // Whether there is a desktop (DISPLAY or WAYLAND_DISPLAY) and xdg-open in PATH.
  static bool available();

  // Removes what an earlier one has left in `folder`; it need not be there.
  explicit DesktopViewer(std::string folder);
  ~DesktopViewer();
  DesktopViewer(const DesktopViewer&) = delete;
  DesktopViewer& operator=(const DesktopViewer&) = delete;

  // Waits for xdg-open to end, or a few seconds: some go on for as long as the picture is shown. Errors:
  // kInvalidArgument: not an image; kUnavailable: xdg-open is not there or has failed; those of NewFile.
  distri::Result<> show(distri::BytesView image);

 private:
  const std::string folder_;
  unsigned shown_ = 0;
};

}  // namespace example
