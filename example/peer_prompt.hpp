// peer_prompt.hpp: a question to the user, asked until the answer is one that can be used, or he gives up.
//
// A wrong answer is answered with what is wrong and what is accepted; it stays in the line, marked: the next character
// takes its place, any other key edits it. Escape, and an empty answer, end the question and change nothing. Sans-IO:
// keys in, text out. Threads: none.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "peer_command.hpp"
#include "terminal_key.hpp"

namespace example {

// Characters of an answer.
inline constexpr std::size_t kAnswerMax = 1024;

class PeerPrompt {
 public:
  using Read = std::function<distri::Result<PeerCommand>(const std::string& answer)>;
  // `proposal`: an answer that Enter takes, marked as a wrong one is.
  PeerPrompt(std::string question, std::string proposal, Read read);
  // One key, y or n.
  static PeerPrompt yes_or_no(std::string question, PeerCommand command);
  // A whole number of views.
  static PeerPrompt views(std::string question, std::string proposal, std::uint32_t least, PeerCommand command);

  enum class Step { kGoesOn, kGivenUp, kDone };
  Step key(const Key& key);

  const std::string& question() const { return question_; }
  const std::string& wrong() const { return wrong_; }      // empty: nothing is
  const PeerCommand& command() const { return command_; }  // of kDone
  std::string answer() const;
  std::string answer_before_cursor() const;
  bool marked() const { return marked_; }
  bool takes_text() const { return read_ != nullptr; }

  // Asks again, as what the answer led to has failed.
  void ask_again(std::string why);

 private:
  PeerPrompt(std::string question, PeerCommand command)
      : question_(std::move(question)), command_(std::move(command)) {}
  Step enter();
  void put(wchar_t character);
  void edit(Key::Kind kind);

  std::string question_;
  Read read_;
  std::string wrong_;
  PeerCommand command_;
  std::wstring answer_;
  std::size_t cursor_ = 0;
  bool marked_ = false;
};

}  // namespace example
