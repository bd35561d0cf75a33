// The values that a template computes with: Python's, as far as templates can see them.
//
//   Value name = MakeString(budget, MarkedString("Ada", /*trusted=*/false));
//   Value list = MakeSequence(budget, SequenceKind::kList, {name, Value::FromInteger(3)});
//
// Values are immutable (the sandbox refuses append and its like), but for namespaces and a few helpers that are
// Objects. Numbers, true, false and none carry a mark as strings do: what prints from data is never trusted. Arithmetic
// and comparison: operations.h. Printing: text_form.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/jinja/budget.h"
#include "text/jinja/marked_string.h"

namespace octet::jinja {

// Wide enough for every integer of 64 bits, signed or not; what leaves 128 bits is an error.
__extension__ typedef __int128 Integer;

enum class Kind : uint8_t { kMissing, kUndefined, kNone, kBool, kInteger, kFloat, kString, kSequence, kDict, kObject };

// What a value may own. Reports its size to the budget while it lives; constants of a template have no budget.
struct HeapObject {
  HeapObject() = default;
  HeapObject(const HeapObject&) = delete;
  HeapObject& operator=(const HeapObject&) = delete;
  virtual ~HeapObject() {
    if (budget != nullptr) budget->Shrink(charged);
  }
  void Charge(Budget* to, size_t bytes) {
    budget = to;
    charged = bytes;
    if (budget != nullptr) budget->Grow(bytes);
  }

  Budget* budget = nullptr;
  size_t charged = 0;
  int depth = 0;  // containers inside each other, 1 for a list of numbers
};

struct UndefinedReason;
struct StringObject;
struct Sequence;
struct Dict;
class Object;

class Value {
 public:
  Value() = default;  // kMissing: an argument that was not given

  static Value None(bool trusted = true) { return Value(Kind::kNone, 0, trusted); }
  static Value FromBool(bool value, bool trusted = true) { return Value(Kind::kBool, value ? 1 : 0, trusted); }
  static Value FromInteger(Integer value, bool trusted = true) { return Value(Kind::kInteger, value, trusted); }
  static Value FromFloat(double value, bool trusted = true);
  // `message` is what an operation on it fails with.
  static Value Undefined(std::string message);
  Value(Kind kind, std::shared_ptr<HeapObject> heap) : kind_(kind), heap_(std::move(heap)) {}

  Kind kind() const { return kind_; }
  bool Is(Kind kind) const { return kind_ == kind; }
  bool missing() const { return kind_ == Kind::kMissing; }
  bool IsNumber() const { return kind_ == Kind::kBool || kind_ == Kind::kInteger || kind_ == Kind::kFloat; }
  bool IsWhole() const { return kind_ == Kind::kBool || kind_ == Kind::kInteger; }
  // Of none and numbers: whether the template made it.
  bool trusted() const { return trusted_; }

  bool boolean() const { return integer_ != 0; }
  Integer integer() const { return integer_; }  // of kBool and kInteger
  double real() const { return real_; }         // of kFloat
  double AsFloat() const { return kind_ == Kind::kFloat ? real_ : static_cast<double>(integer_); }

  const StringObject& string() const;
  const Sequence& sequence() const;
  const Dict& dict() const;
  Object& object() const;
  const std::string& undefined_message() const;
  const HeapObject* heap() const { return heap_.get(); }
  int depth() const { return heap_ == nullptr ? 0 : heap_->depth; }

 private:
  Value(Kind kind, Integer integer, bool trusted) : kind_(kind), trusted_(trusted), integer_(integer) {}

  Kind kind_ = Kind::kMissing;
  bool trusted_ = true;
  union {
    Integer integer_ = 0;
    double real_;
  };
  std::shared_ptr<HeapObject> heap_;
};

struct UndefinedReason : HeapObject {
  std::string message;
};

struct StringObject : HeapObject {
  MarkedString marked;
  size_t characters = 0;
  bool markup = false;  // made by `escape` or `safe`: joining plain text to it escapes that text

  std::string_view text() const { return marked.text(); }
  bool ascii() const { return characters == marked.size(); }
};

enum class SequenceKind : uint8_t { kList, kTuple, kRange, kKeys, kValues, kItems, kIterator };

struct Sequence : HeapObject {
  SequenceKind type = SequenceKind::kList;
  std::vector<Value> items;
  Integer range_start = 0, range_stop = 0, range_step = 1;
  bool grouped = false;          // a tuple of `groupby`, with names for its two items
  mutable size_t consumed = 0;   // of kIterator: items already taken
  std::optional<Error> failure;  // of kIterator: what taking the item behind the last fails with

  bool IsIndexed() const { return type <= SequenceKind::kRange; }
};

// What a string takes beside its text and marks, and a sequence beside its items: the object, and what the allocator
// adds to each piece.
inline constexpr size_t kStringBytes = sizeof(StringObject) + 64, kSequenceBytes = sizeof(Sequence) + 64;

// Keeps the order of insertion. Keys are strings, numbers, none and tuples of them.
struct Dict : HeapObject {
  std::vector<std::pair<Value, Value>> entries;

  const Value* FindText(std::string_view key) const;
  const Value* Find(const Value& key) const;
  // Replaces the value of an equal key. Requires a hashable key.
  void Insert(Value key, Value value);

 private:
  size_t FindIndex(const Value& key, size_t hash) const;

  std::unordered_multimap<size_t, size_t> index_;  // filled from the ninth entry on
};

class Evaluator;

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<MarkedString, Value>> named;  // a name from ** has the marks of the key it was
};

// Something with behaviour: namespace, loop, macro, method, function.
class Object : public HeapObject {
 public:
  virtual std::string_view TypeName() const = 0;
  // The attribute, or kMissing.
  virtual Result<Value> Attribute(Evaluator& evaluator, std::string_view name);
  virtual bool callable() const { return false; }
  virtual Result<Value> Call(Evaluator& evaluator, Arguments arguments);
  virtual std::string Text() const;
  // Drops what it holds, so that objects which hold each other can go.
  virtual void Release() {}
};

Value MakeString(Budget& budget, MarkedString text, bool markup = false);
Value MakeText(Budget& budget, std::string_view text, bool trusted);
// A string that lives as long as the template and is charged to nobody.
Value MakeConstantString(std::string_view text);
// Fails where the value would be nested deeper than kMaximumValueDepth.
Result<Value> MakeSequence(Budget& budget, SequenceKind type, std::vector<Value> items);
Result<Value> FinishSequence(Budget& budget, std::shared_ptr<Sequence> sequence);
Result<Value> FinishDict(Budget& budget, std::shared_ptr<Dict> dict);
// Marks an Object as holding `inner`; same failure.
Status Nest(HeapObject& outer, const Value& inner);

// "str", "int", "dict", as messages name it.
std::string TypeName(const Value& value);
// Whether it can be a key.
bool IsHashable(const Value& value);
size_t HashOf(const Value& value);
// Bytes that are read where a key is looked up.
size_t KeyBytes(const Value& key);
std::string IntegerText(Integer value);

}  // namespace octet::jinja
