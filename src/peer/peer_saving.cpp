// Books on their way to the disk. One thread at a time writes, all that is unsaved at once; the others go on, or wait
// for it, and what they have changed meanwhile is the next one's.
#include <iterator>
#include <utility>

#include "distri/peer/peer_impl.hpp"

namespace distri::peer {

Result<> Peer::Impl::keep(Lock& lock, const Page& page) {
  while (!agent.books().is_saved(page)) {
    if (saving) {
      saved.wait(lock);
    } else {
      DISTRI_TRY_VOID(save_books(lock));
    }
  }
  return {};
}

void Peer::Impl::keep_all(Lock& lock) {
  for (const Page& page : agent.books().unsaved()) {
    if (const auto kept = keep(lock, page); !kept) return trouble(kept.error().message);
  }
}

// Precondition: not saving.
Result<> Peer::Impl::save_books(Lock& lock) {
  if (!store) return fail(Code::kUnavailable, "this peer was stopped, its books are closed; open it again");
  const std::vector<BookEntry> entries = agent.books().begin_saving();
  std::vector<PeerEvent> to_post = std::exchange(unposted, {});
  saving = true;
  lock.unlock();
  const auto written = store->save(entries);
  lock.lock();
  saving = false;
  agent.books().end_saving(written.has_value());
  saved.notify_all();
  if (written) {
    for (PeerEvent& event : to_post) events.post(std::move(event));
    return {};
  }
  unposted.insert(unposted.begin(), std::make_move_iterator(to_post.begin()), std::make_move_iterator(to_post.end()));
  // Whatever the reason is: to who asks from outside it is no answer to his question.
  return fail(written.error().code == Code::kStorageFull ? Code::kStorageFull : Code::kStorageFailed,
              "the book could not be written: {}", written.error().message);
}

}  // namespace distri::peer
