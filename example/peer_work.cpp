#include "peer_work.hpp"

#include <fmt/format.h>

#include <exception>

#include "distri/peer/published_directory.hpp"
#include "distri/services/thumbnail.hpp"
#include "new_file.hpp"

namespace example {
namespace {

using distri::Code;
using distri::Result;
using distri::peer::Delivery;
using Kind = PeerCommand::Kind;

// Pixels of what is kept of a picture to draw it, wide and high.
constexpr std::uint32_t kShownPixelsMax = 1200;

bool is_about_pictures(Kind kind) {
  return kind == Kind::kView || kind == Kind::kOwn || kind == Kind::kDesktop || kind == Kind::kSave;
}

PeerOutcome outcome_of(const PeerCommand& command, const Result<std::string>& result) {
  return {command, result.has_value(), result ? *result : result.error().message, nullptr};
}

std::shared_ptr<const OpenPicture> open_picture(const PeerCommand& command, std::string caption, distri::Bytes bytes) {
  auto pixels = distri::services::make_thumbnail(bytes, kShownPixelsMax, kShownPixelsMax);
  return std::make_shared<OpenPicture>(command.image, std::move(caption), std::move(bytes), std::move(pixels),
                                       command.kind == Kind::kOwn);
}

}  // namespace

PeerWork::PeerWork(distri::peer::Peer& peer, Settings settings)
    : peer_(peer),
      settings_(std::move(settings)),
      viewer_(settings_.data_directory + "/viewing"),
      pictures_(1, kCommandsUnderWayMax),
      words_(1, kCommandsUnderWayMax),
      catalogs_(1, 1) {}

void PeerWork::stop() {
  for (distri::WorkerPool* each : {&pictures_, &words_, &catalogs_}) each->stop();
}

// ---- What came of it

void PeerWork::news(std::string sentence) {
  {
    const std::lock_guard lock(mutex_);
    if (arrived_.news.size() >= kNewsKept) arrived_.news.erase(arrived_.news.begin());
    arrived_.news.push_back(std::move(sentence));
  }
  settings_.wake();
}

void PeerWork::progress(std::string sentence) {
  {
    const std::lock_guard lock(mutex_);
    arrived_.progress = std::move(sentence);
  }
  settings_.wake();
}

PeerWork::Arrived PeerWork::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(arrived_, {});
}

PeerLists PeerWork::lists() const {
  return {peer_.inbox(),  peer_.available(), peer_.pending_approvals(),
          peer_.shared(), peer_.offers(),    peer_.standing()};
}

// ---- Commands

void PeerWork::put(const PeerCommand& command) {
  distri::WorkerPool& lane = is_about_pictures(command.kind) ? pictures_ : words_;
  const bool taken = lane.submit([this, command] { run(command); });
  if (taken) return;
  const std::lock_guard lock(mutex_);
  arrived_.outcomes.push_back({command, false, "too much is being done already; try again", nullptr});
}

void PeerWork::run(const PeerCommand& command) {
  PeerOutcome outcome{command, false, "", nullptr};
  try {
    outcome = do_command(command);
  } catch (const std::exception& error) {
    outcome.text = fmt::format("this program has failed: {}", error.what());
  }
  {
    const std::lock_guard lock(mutex_);
    arrived_.outcomes.push_back(std::move(outcome));
    arrived_.progress.reset();
  }
  settings_.wake();
}

PeerOutcome PeerWork::do_command(const PeerCommand& command) {
  switch (command.kind) {
    case Kind::kView:
      return view(command);
    case Kind::kOwn:
      return own(command);
    case Kind::kDesktop: {
      const auto shown = viewer_.show(command.picture->bytes);
      if (!shown) return outcome_of(command, distri::fail(shown.error()));
      return outcome_of(command, "shown in the desktop's viewer; its file is removed at the end of this program");
    }
    case Kind::kSave:
      return outcome_of(command, save(command));
    case Kind::kRefresh:
      peer_.refresh();
      catalog_due();
      return outcome_of(command, "looked again");
    default:
      return outcome_of(command, tell(command));
  }
}

Result<std::string> PeerWork::tell(const PeerCommand& command) {
  const auto told = [&](std::string_view what, Delivery delivery) {
    return fmt::format("{}: {}", what, distri::peer::delivery_name(delivery));
  };
  switch (command.kind) {
    case Kind::kRequest: {
      DISTRI_TRY(const auto sent, peer_.request_resource(command.peer, command.image, command.views));
      return told(fmt::format("asked {} for {} of {}", command.peer_name, views_in_words(command.views), command.image),
                  sent.delivery);
    }
    case Kind::kGrant: {
      DISTRI_TRY(const Delivery delivery, peer_.grant_resource(command.id, command.views));
      if (command.views == 0) return told(fmt::format("refused {} to {}", command.image, command.peer_name), delivery);
      return told(fmt::format("granted {} {} of {}", command.peer_name, views_in_words(command.views), command.image),
                  delivery);
    }
    case Kind::kUpdate: {
      DISTRI_TRY(const Delivery delivery, peer_.update_permission(command.id, command.views));
      return told(
          fmt::format("{} gets {} of {} in all", command.peer_name, views_in_words(command.views), command.image),
          delivery);
    }
    case Kind::kRevoke: {
      DISTRI_TRY(const Delivery delivery, peer_.revoke(command.id));
      return told(fmt::format("{} views {} no more", command.peer_name, command.image), delivery);
    }
    case Kind::kForget: {
      DISTRI_TRY_VOID(peer_.forget(command.id));
      return fmt::format("put the request for {} away", command.image);
    }
    default: {
      DISTRI_TRY(const Delivery delivery, peer_.withdraw(command.id));
      return told(fmt::format("took the request for {} back", command.image), delivery);
    }
  }
}

// ---- Pictures

PeerOutcome PeerWork::view(const PeerCommand& command) {
  auto viewed = peer_.access_grant(command.id, [&](std::uint64_t bytes, std::uint64_t of) {
    progress(fmt::format("fetching {}: {} of {} bytes", command.image, bytes, of));
  });
  if (!viewed) return outcome_of(command, distri::fail(viewed.error().error));
  std::string used;
  for (const auto& each : peer_.available()) {
    if (each.grant.id != viewed->grant) continue;
    used = fmt::format(", {} of {} were used on this device", each.used, each.grant.views);
  }
  const std::string what = fmt::format("view {} of grant {}{}{}", viewed->serial, viewed->grant.short_hex(),
                                       viewed->from_escrow ? ", with a key from the cloud" : "", used);
  PeerOutcome outcome = outcome_of(command, what);
  outcome.picture = open_picture(command, fmt::format("of {}; {}", command.peer_name, what), std::move(viewed->image));
  if (!command.in_desktop) return outcome;
  const auto shown = viewer_.show(outcome.picture->bytes);
  outcome.ok = shown.has_value();
  outcome.text = shown ? "shown in the desktop's viewer" : shown.error().message + "; here it is all the same";
  return outcome;
}

PeerOutcome PeerWork::own(const PeerCommand& command) {
  const auto read = [&]() -> Result<distri::Bytes> {
    DISTRI_TRY(const auto directory, distri::peer::PublishedDirectory::open(settings_.directory));
    return directory.read(command.image);
  };
  auto bytes = read();
  if (!bytes) {
    return outcome_of(command, distri::fail(bytes.error().code, "{}: {}", command.image, bytes.error().message));
  }
  PeerOutcome outcome = outcome_of(command, std::string());
  outcome.picture = open_picture(command, "your own; looking at it costs nothing", *std::move(bytes));
  return outcome;
}

Result<std::string> PeerWork::save(const PeerCommand& command) {
  DISTRI_TRY(NewFile file, NewFile::create(command.path));
  DISTRI_TRY_VOID(file.write(command.picture->bytes));
  return fmt::format("saved as '{}', {} bytes", command.path, command.picture->bytes.size());
}

// ---- The catalog

void PeerWork::catalog_due() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(catalog_waits_, true)) return;
  }
  if (catalogs_.submit([this] { read_catalog(); })) return;
  const std::lock_guard lock(mutex_);
  catalog_waits_ = false;
}

void PeerWork::read_catalog() {
  {
    const std::lock_guard lock(mutex_);
    catalog_waits_ = false;
  }
  auto catalog = peer_.fetch_catalog();
  if (!catalog) return;  // it was stopped
  {
    const std::lock_guard lock(mutex_);
    arrived_.catalog = *std::move(catalog);
  }
  settings_.wake();
}

}  // namespace example
