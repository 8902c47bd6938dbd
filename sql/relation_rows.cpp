#include "sql/relation_rows.hpp"

#include <array>
#include <charconv>
#include <utility>

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

namespace weir::sql {

namespace {

bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

/// @return 0 of what is no number: no object has it
std::uint32_t oid_of(std::string_view text) {
    std::uint32_t oid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), oid);
    return error == std::errc{} && end == text.data() + text.size() ? oid : 0;
}

/// @return whether its second number is a name: a schema's
bool has_schema(std::string_view kind) {
    return kind == "relation" || kind == "function";
}

}  // namespace

std::string without_escapes(std::string_view text) {
    std::string bytes;
    bytes.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\\' || i + 1 == text.size()) {
            bytes += text[i];
        } else if (text[i + 1] == '\\') {
            bytes += text[++i];
        } else if (i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
                   is_octal(text[i + 3])) {
            const int value =
                (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
            bytes += static_cast<char>(value);
            i += 3;
        }
    }
    return bytes;
}

std::vector<RelationRows::Row>* RelationRows::list_of(std::string_view kind) {
    const std::array<std::pair<std::string_view, std::vector<Row>*>, 14> lists = {{
        {"relation", &relations_},
        {"child", &children_},
        {"reads", &reads_},
        {"rule", &rules_},
        {"cascade", &cascades_},
        {"trigger", &triggers_},
        {"calls", &calls_},
        {"function", &functions_},
        {"hidden", &hidden_},
        {"computed", &computed_},
        {"column", &columns_},
        {"operator", &operators_},
        {"cast", &casts_},
        {"flag", &flags_},
    }};
    for (const auto& [name, list] : lists) {
        if (name == kind) {
            return list;
        }
    }
    return nullptr;
}

void RelationRows::add_source(std::uint32_t id, std::string_view piece) {
    source_bytes_ += piece.size();
    if (functions_.empty() || functions_.back().id != id || source_bytes_ > kSourceBytesMax) {
        is_unusable_ = true;
        return;
    }
    sources_.back() += piece;
}

void RelationRows::add(std::span<const std::optional<std::string_view>> columns) {
    if (columns.size() != kColumns || is_unusable_) {
        return;
    }
    for (const std::optional<std::string_view>& column : columns) {
        const std::string_view text = column.value_or("");
        version_ = XXH3_64bits_withSeed(text.data(), text.size(), version_ + text.size());
    }
    is_unusable_ = ++size_ > kRowsMax;
    const std::string_view kind = columns[0].value_or("");
    const std::uint32_t id = oid_of(columns[1].value_or(""));
    if (kind == "source") {
        add_source(id, columns[4].value_or(""));
        return;
    }
    if (kind == "server") {
        server_.assign(columns[4].value_or("")).append("/").append(columns[1].value_or(""));
        return;
    }
    std::vector<Row>* list = list_of(kind);
    if (list == nullptr) {
        is_unusable_ = true;
        return;
    }
    const std::string_view other = columns[2].value_or("");
    Row row;
    row.id = id;
    if (has_schema(kind)) {
        row.schema = other;
    } else {
        row.other = oid_of(other);
    }
    row.word = columns[3].value_or("");
    row.text = columns[4].value_or("");
    list->push_back(std::move(row));
    if (kind == "function") {
        sources_.emplace_back();
    }
}

}  // namespace weir::sql
