#include "proxy/deallocate.hpp"

#include <utility>

namespace weir::proxy {

namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_in_word(char c) {
    const char small = lower(c);
    return (small >= 'a' && small <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
}

void skip_space(std::string_view& text) {
    while (!text.empty() && is_space(text.front())) {
        text.remove_prefix(1);
    }
}

std::string take_word(std::string_view& text) {
    std::string word;
    while (!text.empty() && is_in_word(text.front())) {
        word += lower(text.front());
        text.remove_prefix(1);
    }
    skip_space(text);
    return word;
}

/// @param text behind the opening quote
std::optional<std::string> take_quoted(std::string_view& text) {
    std::string name;
    while (!text.empty()) {
        const char c = text.front();
        text.remove_prefix(1);
        if (c == '"' && (text.empty() || text.front() != '"')) {
            skip_space(text);
            return name;
        }
        if (c == '"') {
            text.remove_prefix(1);  // two of them stand for one
        }
        name += c;
    }
    return std::nullopt;
}

/// @return whether it ends a transaction, also one that has failed
bool ends_transaction(std::string_view sql) {
    skip_space(sql);
    const std::string word = take_word(sql);
    return word == "rollback" || word == "abort" || word == "commit" || word == "end" ||
           word == "prepare";
}

/// @return where the statement at the beginning ends: at a semicolon that is not in a quoted name
std::size_t statement_end(std::string_view sql) {
    bool is_quoted = false;
    for (std::size_t i = 0; i < sql.size(); ++i) {
        if (sql[i] == '"') {
            is_quoted = !is_quoted;
        } else if (sql[i] == ';' && !is_quoted) {
            return i;
        }
    }
    return sql.size();
}

bool has_more_than_names(std::string_view sql) {
    return sql.find_first_of("'$") != std::string_view::npos ||
           sql.find("--") != std::string_view::npos || sql.find("/*") != std::string_view::npos;
}

}  // namespace

std::optional<Deallocation> find_deallocation(std::string_view sql) {
    if (has_more_than_names(sql)) {
        return std::nullopt;
    }
    for (std::size_t begin = 0; begin < sql.size();) {
        const std::size_t end = begin + statement_end(sql.substr(begin));
        if (auto name = deallocated_name(sql.substr(begin, end - begin)); name) {
            if (begin > 0 && ends_transaction(sql)) {
                return std::nullopt;
            }
            return Deallocation{std::move(*name), sql.substr(0, begin), sql.substr(end)};
        }
        begin = end + 1;
    }
    return std::nullopt;
}

std::optional<std::string> deallocated_name(std::string_view sql) {
    skip_space(sql);
    if (sql.empty() || lower(sql.front()) != 'd' || take_word(sql) != "deallocate") {
        return std::nullopt;
    }
    std::optional<std::string> name;
    for (int words = 0; words < 2 && !name; ++words) {
        const bool is_quoted = !sql.empty() && sql.front() == '"';
        if (is_quoted) {
            sql.remove_prefix(1);
        }
        std::optional<std::string> word = is_quoted ? take_quoted(sql) : take_word(sql);
        if (!word || word->empty() || (!is_quoted && *word == "all")) {
            return std::nullopt;
        }
        const bool is_noise =
            !is_quoted && words == 0 && *word == "prepare" && !sql.empty() && sql.front() != ';';
        if (!is_noise) {
            name = std::move(word);
        }
    }
    while (!sql.empty() && (sql.front() == ';' || is_space(sql.front()))) {
        sql.remove_prefix(1);
    }
    return sql.empty() ? name : std::nullopt;
}

}  // namespace weir::proxy
