// peer_work.hpp: does a user's commands with a Peer while his screen goes on, and collects what happened.
//
// Three lanes, each in order: pictures (which may take minutes), everything else that is told to others, and the
// catalog. Threads: put(), news() and catalog_due() from any; `wake` is called from any when take() has something new,
// and must not wait. stop() from the owner; Peer::stop() before it makes that quick.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "desktop_viewer.hpp"
#include "distri/utils/worker_pool.hpp"
#include "peer_command.hpp"
#include "peer_screen.hpp"

namespace example {

class PeerWork {
 public:
  struct Settings {
    std::string directory;  // of the user's own images; empty: none
    std::string data_directory;
    std::function<void()> wake;
  };
  PeerWork(distri::peer::Peer& peer, Settings settings);

  // kQuit is none of its commands.
  void put(const PeerCommand& command);
  // Reads the catalog, unless that is due already.
  void catalog_due();
  // Something happened; sentences beyond kNewsKept that nobody has taken are left out, the oldest first.
  void news(std::string sentence);

  struct Arrived {
    std::vector<std::string> news;
    std::vector<PeerOutcome> outcomes;
    std::optional<distri::peer::Catalog> catalog;
    std::optional<std::string> progress;
  };
  Arrived take();
  PeerLists lists() const;

  void stop();

 private:
  void run(const PeerCommand& command);
  PeerOutcome do_command(const PeerCommand& command);
  distri::Result<std::string> tell(const PeerCommand& command);
  PeerOutcome view(const PeerCommand& command);
  PeerOutcome own(const PeerCommand& command);
  distri::Result<std::string> save(const PeerCommand& command);
  void read_catalog();
  void progress(std::string sentence);

  distri::peer::Peer& peer_;
  const Settings settings_;
  DesktopViewer viewer_;  // of the lane of pictures
  std::mutex mutex_;
  Arrived arrived_;
  bool catalog_waits_ = false;
  distri::WorkerPool pictures_, words_, catalogs_;
};

}  // namespace example
