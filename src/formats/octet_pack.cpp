#include "formats/octet_pack.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "base/counted.h"

namespace octet {
namespace {

constexpr std::string_view kMagic("OCTETPAK");
constexpr uint64_t kHeaderBytes = 64;
constexpr uint64_t kEntryBytes = 24;  // of the table, without the name
constexpr uint64_t kMaximumName = 4096;

// Byte for byte as the file has it; all numbers little-endian.
struct Header {
  char magic[8] = {};
  uint32_t version = 0;
  uint32_t section_count = 0;
  uint64_t file_size = 0;
  uint64_t table_offset = 0;
  uint64_t table_size = 0;
  uint64_t checksum = 0;
  uint64_t reserved[2] = {};
};
static_assert(sizeof(Header) == kHeaderBytes);

struct TableEntry {
  uint64_t offset = 0;
  uint64_t size = 0;
  uint64_t name_size = 0;
};
static_assert(sizeof(TableEntry) == kEntryBytes);

// FNV-1a of 64 bits over the header, its checksum taken as 0, and the table. Finds damage, not malice.
uint64_t Checksum(Header header, std::span<const std::byte> table) {
  header.checksum = 0;
  uint64_t hash = 0xCBF29CE484222325u;
  const auto add = [&](std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) hash = (hash ^ std::to_integer<uint64_t>(byte)) * 0x100000001B3u;
  };
  add(std::as_bytes(std::span(&header, 1)));
  add(table);
  return hash;
}

Result<Header> ReadHeader(std::span<const std::byte> file, std::string_view where) {
  if (!OctetPack::HasMagic(file))
    return Fail(ErrorCode::kCorrupt, where, ": doesn't begin with `", kMagic, "`, so it is no Octet pack");
  if (file.size() < kHeaderBytes) {
    return Fail(ErrorCode::kCorrupt, where, ": has ", Counted(file.size(), "byte"), ", the header alone has ",
                kHeaderBytes);
  }
  Header header;
  std::memcpy(&header, file.data(), sizeof header);
  if (header.version != kOctetPackVersion) {
    return Fail(ErrorCode::kUnsupported, where, ": pack version ", header.version, ", this build reads version ",
                kOctetPackVersion, "; make the pack again with `octet build`");
  }
  if (header.file_size != file.size()) {
    return Fail(ErrorCode::kCorrupt, where, ": the file has ", Counted(file.size(), "byte"), ", its header says ",
                header.file_size, "; make the pack again with `octet build`");
  }
  return header;
}

// The table must be the end of the file, and as it was written.
Result<std::span<const std::byte>> ReadTable(const Header& header, std::span<const std::byte> file,
                                             std::string_view where) {
  const std::optional<uint64_t> end = CheckedAdd(header.table_offset, header.table_size);
  if (header.table_offset < kHeaderBytes || !end || *end != file.size()) {
    return Fail(ErrorCode::kCorrupt, where, ": the table of ", Counted(header.table_size, "byte"), " at ",
                header.table_offset, " doesn't end with the file at ", file.size());
  }
  const auto table = file.subspan(header.table_offset);
  if (Checksum(header, table) != header.checksum) {
    return Fail(ErrorCode::kCorrupt, where,
                ": the checksum of header and table is wrong; make the pack again with `octet build`");
  }
  return table;
}

Status CheckSections(const std::vector<OctetPackSection>& sections, uint64_t table_offset, std::string_view where) {
  for (size_t i = 0; i < sections.size(); ++i) {
    const OctetPackSection& section = sections[i];
    const std::optional<uint64_t> end = CheckedAdd(section.offset, section.size);
    if (section.offset % kOctetPackAlignment != 0 || section.offset < kHeaderBytes || !end || *end > table_offset) {
      return Fail(ErrorCode::kCorrupt, where, ": section `", section.name, "` of ", Counted(section.size, "byte"),
                  " at ", section.offset, " doesn't lie between the header and the table at ", table_offset);
    }
    if (i > 0 && sections[i - 1].name == section.name) {
      return Fail(ErrorCode::kCorrupt, where, ": section `", section.name, "` is there twice");
    }
  }
  return {};
}

}  // namespace

Result<std::vector<OctetPackSection>> ReadOctetPackTable(std::span<const std::byte> file, std::string_view where) {
  const Header header = OCTET_TRY(ReadHeader(file, where));
  std::span<const std::byte> table = OCTET_TRY(ReadTable(header, file, where));
  std::vector<OctetPackSection> sections;
  for (uint32_t i = 0; i < header.section_count; ++i) {
    TableEntry entry;
    if (table.size() < sizeof entry)
      return Fail(ErrorCode::kCorrupt, where, ": the table ends before section ", i, " of ", header.section_count);
    std::memcpy(&entry, table.data(), sizeof entry);
    table = table.subspan(sizeof entry);
    if (entry.name_size > table.size() || entry.name_size > kMaximumName) {
      return Fail(ErrorCode::kCorrupt, where, ": the name of section ", i, " has ", Counted(entry.name_size, "byte"),
                  ", the table has ", table.size(), " left");
    }
    const char* name = reinterpret_cast<const char*>(table.data());
    sections.push_back({std::string(name, entry.name_size), entry.offset, entry.size});
    table = table.subspan(entry.name_size);
  }
  std::sort(sections.begin(), sections.end(),
            [](const OctetPackSection& a, const OctetPackSection& b) { return a.name < b.name; });
  OCTET_TRY(CheckSections(sections, header.table_offset, where));
  return sections;
}

bool OctetPack::HasMagic(std::span<const std::byte> file) {
  return file.size() >= kMagic.size() && std::memcmp(file.data(), kMagic.data(), kMagic.size()) == 0;
}

bool OctetPack::IsPack(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return false;
  const Result<MappedFile> file = MappedFile::Open(path);
  return file && HasMagic(file->bytes());
}

Result<std::shared_ptr<const OctetPack>> OctetPack::Open(const std::filesystem::path& path) {
  auto pack = std::make_shared<OctetPack>();
  pack->path_ = path;
  pack->file_ = OCTET_TRY(MappedFile::Open(path));
  pack->sections_ = OCTET_TRY(ReadOctetPackTable(pack->file_.bytes(), path.native()));
  return pack;
}

const OctetPackSection* OctetPack::Find(std::string_view name) const {
  const auto found =
      std::lower_bound(sections_.begin(), sections_.end(), name,
                       [](const OctetPackSection& section, std::string_view wanted) { return section.name < wanted; });
  return found == sections_.end() || found->name != name ? nullptr : &*found;
}

Result<std::span<const std::byte>> OctetPack::Section(std::string_view name) const {
  const OctetPackSection* section = Find(name);
  if (section == nullptr) return Fail(ErrorCode::kNotFound, path_, ": section `", name, "` is missing");
  return file_.bytes().subspan(section->offset, section->size);
}

Result<std::string_view> OctetPack::Text(std::string_view name) const {
  const std::span<const std::byte> bytes = OCTET_TRY(Section(name));
  return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<std::string> OctetPack::OptionalText(std::string_view name) const {
  if (Find(name) == nullptr) return std::string();
  const std::string_view text = OCTET_TRY(Text(name));
  return std::string(text);
}

Result<Json> OctetPack::OptionalJson(std::string_view name) const {
  if (Find(name) == nullptr) return Json();
  const std::string_view text = OCTET_TRY(Text(name));
  return ParseJson(text, Cat(path_, ": ", name));
}

void OctetPack::Release(std::span<const std::byte> bytes) const {
  file_.Release(static_cast<size_t>(bytes.data() - file_.bytes().data()), bytes.size());
}

Result<OctetPackWriter> OctetPackWriter::Create(const std::filesystem::path& path) {
  OctetPackWriter writer(OCTET_TRY(AtomicFile::Create(path)));
  const Header empty;
  OCTET_TRY(writer.file_.Write(std::as_bytes(std::span(&empty, 1))));
  return writer;
}

void OctetPackWriter::CloseSection() {
  if (!sections_.empty()) sections_.back().size = file_.size() - sections_.back().offset;
}

Status OctetPackWriter::Begin(std::string_view name) {
  const auto taken = [&](const OctetPackSection& section) { return section.name == name; };
  if (name.empty() || name.size() > kMaximumName || std::any_of(sections_.begin(), sections_.end(), taken)) {
    return Fail(ErrorCode::kInvalidArgument, "section `", name,
                "` can't be added: the name is empty, too long or taken");
  }
  CloseSection();
  OCTET_TRY(file_.Align(kOctetPackAlignment));
  sections_.push_back({std::string(name), file_.size(), 0});
  return {};
}

Status OctetPackWriter::Write(std::span<const std::byte> bytes) {
  if (sections_.empty())
    return Fail(ErrorCode::kInvalidArgument, "bytes were written to a pack before its first section");
  return file_.Write(bytes);
}

Status OctetPackWriter::Add(std::string_view name, std::span<const std::byte> bytes) {
  OCTET_TRY(Begin(name));
  return Write(bytes);
}

Status OctetPackWriter::Add(std::string_view name, std::string_view text) {
  return Add(name, std::as_bytes(std::span(text.data(), text.size())));
}

Status OctetPackWriter::Commit() {
  CloseSection();
  std::string table;
  for (const OctetPackSection& section : sections_) {
    const TableEntry entry = {section.offset, section.size, section.name.size()};
    table.append(reinterpret_cast<const char*>(&entry), sizeof entry).append(section.name);
  }
  Header header;
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  header.version = kOctetPackVersion;
  header.section_count = static_cast<uint32_t>(sections_.size());
  header.table_offset = file_.size();
  header.table_size = table.size();
  header.file_size = header.table_offset + header.table_size;
  header.checksum = Checksum(header, std::as_bytes(std::span(table.data(), table.size())));
  OCTET_TRY(file_.Write(table));
  OCTET_TRY(file_.WriteAt(0, std::as_bytes(std::span(&header, 1))));
  return file_.Commit();
}

}  // namespace octet
