#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "text/jinja/operations.h"

namespace octet::jinja {
namespace {

constexpr size_t kIndexedFrom = 9;
constexpr size_t kNoEntry = ~size_t{0};

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

// Equality of keys; tuples recurse at most kMaximumValueDepth deep.
bool SameKey(const Value& a, const Value& b) {
  if (a.Is(Kind::kString) && b.Is(Kind::kString)) return a.string().text() == b.string().text();
  if (a.IsNumber() && b.IsNumber()) return NumbersEqual(a, b);
  if (a.kind() != b.kind()) return false;
  if (a.Is(Kind::kNone) || a.Is(Kind::kUndefined)) return true;
  if (a.heap() == b.heap()) return true;
  if (!a.Is(Kind::kSequence) || a.sequence().type != SequenceKind::kTuple) return false;
  return a.sequence().type == b.sequence().type &&
         std::equal(a.sequence().items.begin(), a.sequence().items.end(), b.sequence().items.begin(),
                    b.sequence().items.end(), SameKey);
}

// Keys with more parts count as unhashable: a tuple that shares parts with itself has exponentially many.
constexpr size_t kMaximumKeyParts = 4096;

bool CountKeyParts(const Value& value, size_t& left) {
  if (left == 0 || value.Is(Kind::kDict)) return false;
  --left;
  if (!value.Is(Kind::kSequence)) return true;
  const Sequence& sequence = value.sequence();
  if (sequence.type == SequenceKind::kTuple) {
    return std::all_of(sequence.items.begin(), sequence.items.end(),
                       [&](const Value& item) { return CountKeyParts(item, left); });
  }
  return sequence.type == SequenceKind::kIterator;
}

// Visits at most `left` parts, as many as a key may have.
size_t BytesOfParts(const Value& value, size_t& left) {
  if (left == 0) return 0;
  --left;
  if (value.Is(Kind::kString)) return value.string().marked.size();
  if (!value.Is(Kind::kSequence) || value.sequence().type != SequenceKind::kTuple) return 0;
  size_t bytes = 0;
  for (const Value& item : value.sequence().items) bytes += sizeof(Value) + BytesOfParts(item, left);
  return bytes;
}

}  // namespace

Value Value::FromFloat(double value, bool trusted) {
  Value result(Kind::kFloat, 0, trusted);
  result.real_ = value;
  return result;
}

Value Value::Undefined(std::string message) {
  auto reason = std::make_shared<UndefinedReason>();
  reason->message = std::move(message);
  return Value(Kind::kUndefined, std::move(reason));
}

const StringObject& Value::string() const { return static_cast<const StringObject&>(*heap_); }
const Sequence& Value::sequence() const { return static_cast<const Sequence&>(*heap_); }
const Dict& Value::dict() const { return static_cast<const Dict&>(*heap_); }
Object& Value::object() const { return static_cast<Object&>(*heap_); }
const std::string& Value::undefined_message() const { return static_cast<const UndefinedReason&>(*heap_).message; }

const Value* Dict::FindText(std::string_view key) const {
  if (entries.size() < kIndexedFrom) {
    for (const auto& [name, value] : entries) {
      if (name.Is(Kind::kString) && name.string().text() == key) return &value;
    }
    return nullptr;
  }
  const auto [begin, end] = index_.equal_range(std::hash<std::string_view>()(key));
  for (auto found = begin; found != end; ++found) {
    const auto& [name, value] = entries[found->second];
    if (name.Is(Kind::kString) && name.string().text() == key) return &value;
  }
  return nullptr;
}

size_t Dict::FindIndex(const Value& key, size_t hash) const {
  if (entries.size() < kIndexedFrom) {
    for (size_t i = 0; i < entries.size(); ++i) {
      if (SameKey(entries[i].first, key)) return i;
    }
    return kNoEntry;
  }
  const auto [begin, end] = index_.equal_range(hash);
  for (auto found = begin; found != end; ++found) {
    if (SameKey(entries[found->second].first, key)) return found->second;
  }
  return kNoEntry;
}

const Value* Dict::Find(const Value& key) const {
  const size_t found = FindIndex(key, HashOf(key));
  return found == kNoEntry ? nullptr : &entries[found].second;
}

void Dict::Insert(Value key, Value value) {
  const size_t hash = HashOf(key);
  if (const size_t found = FindIndex(key, hash); found != kNoEntry) {
    entries[found].second = std::move(value);
    return;
  }
  entries.emplace_back(std::move(key), std::move(value));
  if (entries.size() == kIndexedFrom) {
    for (size_t i = 0; i < entries.size(); ++i) index_.emplace(HashOf(entries[i].first), i);
  } else if (entries.size() > kIndexedFrom) {
    index_.emplace(hash, entries.size() - 1);
  }
}

Result<Value> Object::Attribute(Evaluator&, std::string_view) { return Value(); }

// Those who override it take the arguments apart.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
Result<Value> Object::Call(Evaluator&, Arguments) {
  return Fail(ErrorCode::kInvalidArgument, "'", TypeName(), "' object is not callable");
}

std::string Object::Text() const { return Cat("<", TypeName(), ">"); }

Value MakeString(Budget& budget, MarkedString text, bool markup) {
  auto object = std::make_shared<StringObject>();
  object->Charge(&budget, kStringBytes + text.memory());
  object->characters = CountCharacters(text.text());
  object->marked = std::move(text);
  object->markup = markup;
  return Value(Kind::kString, std::move(object));
}

Value MakeText(Budget& budget, std::string_view text, bool trusted) {
  return MakeString(budget, MarkedString(std::string(text), trusted));
}

Value MakeConstantString(std::string_view text) {
  auto object = std::make_shared<StringObject>();
  object->characters = CountCharacters(text);
  object->marked = MarkedString(std::string(text), true);
  return Value(Kind::kString, std::move(object));
}

Status Nest(HeapObject& outer, const Value& inner) {
  outer.depth = std::max(outer.depth, inner.depth() + 1);
  if (outer.depth <= kMaximumValueDepth) return {};
  return Fail(ErrorCode::kExhausted, "a value is nested deeper than ", kMaximumValueDepth, " levels");
}

Result<Value> FinishSequence(Budget& budget, std::shared_ptr<Sequence> sequence) {
  sequence->depth = 1;
  for (const Value& item : sequence->items) OCTET_TRY(Nest(*sequence, item));
  sequence->Charge(&budget, kSequenceBytes + sequence->items.capacity() * sizeof(Value));
  return Value(Kind::kSequence, std::move(sequence));
}

Result<Value> MakeSequence(Budget& budget, SequenceKind type, std::vector<Value> items) {
  auto sequence = std::make_shared<Sequence>();
  sequence->type = type;
  sequence->items = std::move(items);
  return FinishSequence(budget, std::move(sequence));
}

Result<Value> FinishDict(Budget& budget, std::shared_ptr<Dict> dict) {
  dict->depth = 1;
  for (const auto& [key, value] : dict->entries) {
    OCTET_TRY(Nest(*dict, key));
    OCTET_TRY(Nest(*dict, value));
  }
  dict->Charge(&budget, sizeof(Dict) + dict->entries.capacity() * (2 * sizeof(Value) + 32));
  return Value(Kind::kDict, std::move(dict));
}

std::string TypeName(const Value& value) {
  static constexpr const char* kSequenceNames[] = {"list",        "tuple",      "range",    "dict_keys",
                                                   "dict_values", "dict_items", "generator"};
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInteger:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.string().markup ? "Markup" : "str";
    case Kind::kSequence:
      return kSequenceNames[static_cast<size_t>(value.sequence().type)];
    case Kind::kDict:
      return "dict";
    case Kind::kObject:
      return std::string(value.object().TypeName());
  }
  return "object";
}

bool IsHashable(const Value& value) {
  size_t left = kMaximumKeyParts;
  return CountKeyParts(value, left);
}

size_t KeyBytes(const Value& key) {
  size_t left = kMaximumKeyParts;
  return BytesOfParts(key, left);
}

size_t HashOf(const Value& value) {
  switch (value.kind()) {
    case Kind::kString:
      return std::hash<std::string_view>()(value.string().text());
    case Kind::kBool:
    case Kind::kInteger:
      return std::hash<double>()(static_cast<double>(value.integer()));
    case Kind::kFloat:
      return std::hash<double>()(value.real());
    case Kind::kSequence: {
      // Not the tuples inside: a value that shares parts with itself would take exponential time.
      size_t hash = value.sequence().items.size();
      for (const Value& item : value.sequence().items) hash = hash * 31 + (item.Is(Kind::kSequence) ? 0 : HashOf(item));
      return hash;
    }
    case Kind::kObject:
      return std::hash<const void*>()(value.heap());
    default:
      return static_cast<size_t>(value.kind());
  }
}

std::string IntegerText(Integer value) {
  __extension__ unsigned __int128 magnitude = static_cast<unsigned __int128>(value);
  if (value < 0) magnitude = ~magnitude + 1;
  std::string digits;
  do {
    digits.push_back(static_cast<char>('0' + static_cast<int>(magnitude % 10)));
    magnitude /= 10;
  } while (magnitude != 0);
  if (value < 0) digits.push_back('-');
  std::reverse(digits.begin(), digits.end());
  return digits;
}

}  // namespace octet::jinja
