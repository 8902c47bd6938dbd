#include "cache/redis/invalidation.hpp"

#include <algorithm>
#include <charconv>

namespace weir::cache {

namespace {

constexpr std::string_view kWholeWord = "*";

/// Takes one word and the space behind it off the front.
/// @return nothing where no space follows
std::optional<std::string_view> take_word(std::string_view& text, char separator) {
    const std::size_t end = text.find(separator);
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end + 1);
    return word;
}

template <class Number>
std::optional<Number> number_of(std::optional<std::string_view> word) {
    Number number = 0;
    if (!word || word->empty()) {
        return std::nullopt;
    }
    const char* const end = word->data() + word->size();
    const auto [stop, error] = std::from_chars(word->data(), end, number);
    return error == std::errc{} && stop == end ? std::optional{number} : std::nullopt;
}

std::optional<WritePhase> phase_of(std::optional<std::string_view> word) {
    if (word == "b") {
        return WritePhase::Begun;
    }
    return word == "e" ? std::optional{WritePhase::Ended} : std::nullopt;
}

std::optional<std::vector<TableId>> tables_of(std::optional<std::string_view> words) {
    if (!words || words->empty()) {
        return std::nullopt;
    }
    std::vector<TableId> tables;
    while (!words->empty()) {
        const std::size_t end = std::min(words->find(','), words->size());
        const std::string_view word = words->substr(0, end);
        words->remove_prefix(std::min(end + 1, words->size()));
        const auto table =
            word == kWholeWord ? std::optional{kWholeDatabase} : number_of<TableId>(word);
        if (!table) {
            return std::nullopt;
        }
        tables.push_back(*table);
    }
    return tables;
}

}  // namespace

std::string table_word(TableId table) {
    return table == kWholeDatabase ? std::string{kWholeWord} : std::to_string(table);
}

std::string invalidation_text(const Invalidation& what) {
    std::string text = what.phase == WritePhase::Begun ? "b " : "e ";
    text += std::to_string(what.instance);
    char separator = ' ';
    for (const TableId table : what.tables) {
        text += separator;
        text += table_word(table);
        separator = ',';
    }
    text += ' ';
    text += what.database;
    return text;
}

std::optional<Invalidation> parse_invalidation(std::string_view text) {
    const auto sequence = number_of<std::uint64_t>(take_word(text, ' '));
    const auto phase = phase_of(take_word(text, ' '));
    const auto instance = number_of<std::uint64_t>(take_word(text, ' '));
    auto tables = tables_of(take_word(text, ' '));
    if (!sequence || !phase || !instance || !tables) {
        return std::nullopt;
    }
    return Invalidation{*sequence, *phase, *instance, std::move(*tables), text};
}

}  // namespace weir::cache
