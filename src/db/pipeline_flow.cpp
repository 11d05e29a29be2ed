// Stages that count, leave out or multiply documents: $limit, $skip, $count, $unwind.
#include "distri/db/expression_node.hpp"
#include "distri/db/pipeline_stage.hpp"

namespace distri::db {
namespace {

using bson::Element;
using bson::Type;
using bson::Value;
using bson::View;

Result<std::uint64_t> number_of(const StageSource& source, int code, std::int64_t least) {
  const auto number = source.value.is_number() ? source.value.to_int64() : std::nullopt;
  if (number && *number >= least) return static_cast<std::uint64_t>(*number);
  return refuse(code, "it takes a whole number, at least {}, not {}", least, shown_value(source.value));
}

class LimitStage final : public Stage {
 public:
  explicit LimitStage(std::uint64_t documents) : documents_(documents) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<Run>(parts, documents_);
  }
  std::optional<std::uint64_t> limit() const override { return documents_; }

 private:
  class Run final : public StageRun {
   public:
    Run(const StageParts& parts, std::uint64_t documents) : StageRun(parts), left_(documents) {}

   private:
    Result<Pull> pull() override {
      if (left_ == 0) return Pull::kEnd;
      DISTRI_TRY(const Pull pulled, input_->next());
      if (pulled != Pull::kDocument) return pulled;
      --left_;
      return pass(input_->document());
    }

    std::uint64_t left_;
  };

  std::uint64_t documents_;
};

class SkipStage final : public Stage {
 public:
  explicit SkipStage(std::uint64_t documents) : documents_(documents) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<Run>(parts, documents_);
  }
  std::optional<std::uint64_t> skip() const override { return documents_; }

 private:
  class Run final : public StageRun {
   public:
    Run(const StageParts& parts, std::uint64_t documents) : StageRun(parts), left_(documents) {}

   private:
    Result<Pull> pull() override {
      for (;;) {
        DISTRI_TRY(const Pull pulled, input_->next());
        if (pulled != Pull::kDocument) return pulled;
        if (left_ == 0) return pass(input_->document());
        --left_;
      }
    }

    std::uint64_t left_;
  };

  std::uint64_t documents_;
};

class CountStage final : public Stage {
 public:
  explicit CountStage(std::string field) : field_(std::move(field)) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<Run>(parts, field_);
  }

 private:
  class Run final : public StageRun {
   public:
    Run(const StageParts& parts, const std::string& field) : StageRun(parts), field_(field) {}

   private:
    Result<Pull> pull() override {
      while (!done_) {
        DISTRI_TRY(const Pull pulled, input_->next());
        if (pulled == Pull::kPaused) return pulled;
        if (pulled == Pull::kDocument) {
          ++count_;
          continue;
        }
        done_ = true;
        if (count_ == 0) break;
        bson::Builder result;
        const auto narrow = static_cast<std::int32_t>(count_);
        narrow == count_ ? result.append_int32(field_, narrow) : result.append_int64(field_, count_);
        return keep(std::move(result).finish());
      }
      return Pull::kEnd;
    }

    const std::string& field_;
    std::int64_t count_ = 0;
    bool done_ = false;
  };

  std::string field_;
};

struct UnwindSpec {
  std::string source;  // the path; and that of the index
  std::string index_source;
  std::vector<std::string_view> path;
  std::vector<std::string_view> index;  // empty: none
  bool preserve = false;
};

class UnwindRun final : public StageRun {
 public:
  UnwindRun(const StageParts& parts, const UnwindSpec& spec) : StageRun(parts), spec_(spec), charge_(parts.context) {}

 private:
  Result<Pull> pull() override {
    for (;;) {
      if (at_ && !at_->at_end()) {
        if (context_.turn_over()) return Pull::kPaused;
        return element();
      }
      at_.reset();
      DISTRI_TRY(const Pull pulled, input_->next());
      if (pulled != Pull::kDocument) return pulled;
      const View document = input_->document();
      DISTRI_TRY_VOID(context_.spend_on(document));
      const auto value = field_at(document, spec_.path);
      const bool none = !value || is_nullish(*value);
      const bool array = value && value->type() == Type::kArray;
      if (array && !value->as_object().empty()) {
        DISTRI_TRY_VOID(charge_.set(document.bytes().size()));
        unwound_ = bson::Document(document);
        at_.emplace(field_at(unwound_, spec_.path)->as_object().begin());
        index_ = 0;
        continue;
      }
      if (!none && !array) return whole(document, false);
      if (spec_.preserve) return whole(document, array);
    }
  }

  // The next element of the array.
  Result<Pull> element() {
    const Value value = (*at_)->value;
    bson::Document result = with_field(unwound_, spec_.path, &value);
    ++*at_;
    if (!spec_.index.empty()) {
      const Value index(Type::kInt64, {reinterpret_cast<const char*>(&index_), sizeof index_});
      result = with_field(result, spec_.index, &index);
    }
    ++index_;
    DISTRI_TRY_VOID(context_.spend_on(result));
    return keep(std::move(result));
  }

  // A document without an array to unwind.
  Result<Pull> whole(View document, bool remove) {
    if (!remove && spec_.index.empty()) return pass(document);
    bson::Document result = remove ? with_field(document, spec_.path, nullptr) : bson::Document(document);
    const Value null;
    if (!spec_.index.empty()) result = with_field(result, spec_.index, &null);
    return keep(std::move(result));
  }

  const UnwindSpec& spec_;
  bson::Document unwound_;  // that at_ points into
  std::optional<View::Iterator> at_;
  std::int64_t index_ = 0;
  MemoryCharge charge_;
};

class UnwindStage final : public Stage {
 public:
  explicit UnwindStage(std::unique_ptr<UnwindSpec> spec) : spec_(std::move(spec)) {}
  std::unique_ptr<StageRun> open(const StageParts& parts) const override {
    return std::make_unique<UnwindRun>(parts, *spec_);
  }

 private:
  std::unique_ptr<UnwindSpec> spec_;  // does not move: it has views into itself
};

Result<> unwind_options(View options, UnwindSpec& spec) {
  for (const Element& element : options) {
    if (element.key == "path") {
      if (element.value.type() != Type::kString) {
        return refuse(28808, "'path' must be a string, not {}", kind_of(element.value));
      }
      spec.source = element.value.as_string();
    } else if (element.key == "preserveNullAndEmptyArrays") {
      if (element.value.type() != Type::kBool) {
        return refuse(28809, "'preserveNullAndEmptyArrays' must be true or false, not {}", kind_of(element.value));
      }
      spec.preserve = element.value.as_bool();
    } else if (element.key == "includeArrayIndex") {
      if (element.value.type() != Type::kString || element.value.as_string().empty()) {
        return refuse(28810, "'includeArrayIndex' must be a string that is not empty, not {}",
                      shown_value(element.value));
      }
      spec.index_source = element.value.as_string();
      if (spec.index_source.starts_with('$')) {
        return refuse(28822, "'includeArrayIndex' must not begin with '$', as in '{}'", shown(spec.index_source));
      }
    } else {
      return refuse(28811, "there is no option '{}'", shown(element.key));
    }
  }
  return {};
}

}  // namespace

Result<> parse_limit(const StageSource& source, StageList& out) {
  DISTRI_TRY(const std::uint64_t documents, number_of(source, 15958, 1));
  out.push_back(std::make_unique<LimitStage>(documents));
  return {};
}

Result<> parse_skip(const StageSource& source, StageList& out) {
  DISTRI_TRY(const std::uint64_t documents, number_of(source, 15956, 0));
  out.push_back(std::make_unique<SkipStage>(documents));
  return {};
}

Result<> parse_count(const StageSource& source, StageList& out) {
  if (source.value.type() != Type::kString || source.value.as_string().empty()) {
    return refuse(40156, "the field's name must be a string that is not empty, not {}", shown_value(source.value));
  }
  const std::string_view field = source.value.as_string();
  if (field.starts_with('$'))
    return refuse(40158, "the field's name must not begin with '$', as in '{}'", shown(field));
  if (field.find('\0') != std::string_view::npos) return refuse(40159, "the field's name holds a zero byte");
  if (field.find('.') != std::string_view::npos) {
    return refuse(40160, "the field's name must not contain '.', as in '{}'", shown(field));
  }
  out.push_back(std::make_unique<CountStage>(std::string(field)));
  return {};
}

Result<> parse_unwind(const StageSource& source, StageList& out) {
  auto spec = std::make_unique<UnwindSpec>();
  if (source.value.type() == Type::kString) {
    spec->source = source.value.as_string();
  } else if (source.value.type() == Type::kObject) {
    DISTRI_TRY_VOID(unwind_options(source.value.as_object(), *spec));
  } else {
    return refuse(15981, "it takes a string or an object, not {}", kind_of(source.value));
  }
  if (spec->source.empty()) return refuse(28812, "no path was given");
  if (!spec->source.starts_with('$')) {
    return refuse(28818, "the path must begin with '$', as '{}' does not", shown(spec->source));
  }
  DISTRI_TRY(spec->path, split_field_path("$unwind", std::string_view(spec->source).substr(1)));
  if (!spec->index_source.empty()) {
    DISTRI_TRY(spec->index, split_field_path("includeArrayIndex", spec->index_source));
  }
  out.push_back(std::make_unique<UnwindStage>(std::move(spec)));
  return {};
}

namespace {

void append_with_field(View object, std::span<const std::string_view> path, const Value* value, bson::Builder& out) {
  const auto append = [&](const Value* before) {
    if (path.size() == 1) {
      if (value != nullptr) out.append_value(path.front(), *value);
      return;
    }
    const bool inner = before != nullptr && before->type() == Type::kObject;
    out.begin_object(path.front());
    append_with_field(inner ? before->as_object() : View(), path.subspan(1), value, out);
    out.end();
  };
  bool seen = false;
  for (const Element& element : object) {
    if (seen || element.key != path.front()) {
      out.append_element(element);
      continue;
    }
    seen = true;
    append(&element.value);
  }
  if (!seen && value != nullptr) append(nullptr);
}

}  // namespace

bson::Document with_field(View document, std::span<const std::string_view> path, const Value* value) {
  bson::Builder out(document.bytes().size() + 64);
  append_with_field(document, path, value, out);
  return std::move(out).finish();
}

std::optional<Value> field_at(View document, std::span<const std::string_view> path) {
  auto value = document.find(path.front());
  for (const std::string_view name : path.subspan(1)) {
    if (!value || value->type() != Type::kObject) return std::nullopt;
    value = value->as_object().find(name);
  }
  return value;
}

}  // namespace distri::db
