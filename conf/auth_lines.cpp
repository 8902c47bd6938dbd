#include "conf/auth_lines.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace weir::conf {

namespace {

/// PostgreSQL's CONF_FILE_MAX_DEPTH.
constexpr int kDepthMax = 10;
/// Of all files together: far above any list of rules.
constexpr std::size_t kLinesMax = 100'000;

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/// Puts one word together, character by character.
struct WordBuilder {
    Word word = {};
    bool is_in_quote = false;
    bool was_quote = false;  // a quote that ends or, with another one behind it, is meant

    [[nodiscard]] bool ends_at(char c) const {
        return !is_in_quote && (is_blank(c) || c == '#' || c == ',');
    }

    void take(char c) {
        if (c != '"' || was_quote) {
            word.text += c;
        }
        was_quote = is_in_quote && c == '"' && !was_quote;
        if (c == '"') {
            is_in_quote = !is_in_quote;
            word.is_quoted = word.is_quoted || word.text.empty();
        }
    }
};

/// Takes one line apart.
class LineSplitter {
public:
    explicit LineSplitter(std::string_view line) : line_{line} {}

    /// @return the next field, empty at the end of the line
    WordList field() {
        WordList words;
        bool is_more_expected = true;
        while (is_more_expected) {
            auto word = next_word(is_more_expected);
            if (!word) {
                break;
            }
            words.push_back(*std::move(word));
        }
        return words;
    }

    [[nodiscard]] bool has_open_quote() const { return has_open_quote_; }

    [[nodiscard]] unsigned column() const { return static_cast<unsigned>(at_) + 1; }

private:
    /// @param ends_in_comma whether the list goes on behind it
    std::optional<Word> next_word(bool& ends_in_comma) {
        while (at_ < line_.size() && is_blank(line_[at_])) {
            ++at_;
        }
        WordBuilder builder;
        builder.word.column = column();
        const std::size_t begin = at_;
        while (at_ < line_.size() && !builder.ends_at(line_[at_])) {
            builder.take(line_[at_++]);
        }
        has_open_quote_ = has_open_quote_ || builder.is_in_quote;
        const bool is_word = at_ > begin;
        ends_in_comma = at_ < line_.size() && line_[at_] == ',';
        if (ends_in_comma) {
            ++at_;
        } else if (at_ < line_.size() && line_[at_] == '#') {
            at_ = line_.size();
        }
        return is_word || ends_in_comma ? std::optional{std::move(builder.word)} : std::nullopt;
    }

    std::string_view line_;
    std::size_t at_ = 0;
    bool has_open_quote_ = false;
};

std::string beside(const std::string& file, const std::string& path) {
    const std::size_t slash = file.rfind('/');
    const bool is_absolute = !path.empty() && path.front() == '/';
    return is_absolute || slash == std::string::npos ? path : file.substr(0, slash + 1) + path;
}

/// Reads a file and those it includes.
class Reader {
public:
    Reader(FileAccess& access, AuthLines& into) : access_{access}, into_{into} {}

    void read(std::string_view text, const std::string& file, int depth) {
        unsigned number = 0;
        while (!text.empty() && into_.lines.size() < kLinesMax) {
            const unsigned first = number + 1;
            const std::string line = next_line(text, number);
            AuthLine fields{file, first, split(line, file, first)};
            if (fields.fields.empty() || include(fields, depth)) {
                continue;
            }
            for (WordList& field : fields.fields) {
                field = expand(std::move(field), fields, depth);
            }
            if (into_.lines.size() == kLinesMax) {
                complain(fields, 1, "more than " + std::to_string(kLinesMax) + " lines");
            }
            into_.lines.push_back(std::move(fields));
        }
    }

private:
    /// Takes one line off the text, with those a backslash at its end joins to it.
    static std::string next_line(std::string_view& text, unsigned& number) {
        std::string line;
        bool is_continued = true;
        while (is_continued && !text.empty()) {
            const std::size_t end = std::min(text.find('\n'), text.size());
            line += text.substr(0, end);
            text.remove_prefix(std::min(end + 1, text.size()));
            ++number;
            if (!line.empty() && line.back() == '\r') {
                line.pop_back();
            }
            is_continued = !line.empty() && line.back() == '\\';
            if (is_continued) {
                line.pop_back();
            }
        }
        return line;
    }

    std::vector<WordList> split(const std::string& line, const std::string& file, unsigned number) {
        std::vector<WordList> fields;
        if (line.find('\0') != std::string::npos) {
            into_.problems.push_back({file, number, 1, {}, "a zero byte; accepted: text"});
            return fields;
        }
        LineSplitter splitter{line};
        for (WordList field = splitter.field(); !field.empty(); field = splitter.field()) {
            fields.push_back(std::move(field));
        }
        if (splitter.has_open_quote()) {
            into_.problems.push_back(
                {file, number, splitter.column(), {}, "the quotes do not end"});
            fields.clear();
        }
        return fields;
    }

    void complain(const AuthLine& line, unsigned column, const std::string& message) {
        into_.problems.push_back({line.file, line.number, column, {}, message});
    }

    /// @return whether the line was an include directive
    bool include(const AuthLine& line, int depth) {
        const Word& word = line.fields.front().front();
        const bool is_folder = word.is("include_dir");
        const bool is_optional = word.is("include_if_exists");
        if (!is_folder && !is_optional && !word.is("include")) {
            return false;
        }
        if (line.fields.size() != 2 || line.fields[1].size() != 1) {
            complain(line, word.column, word.text + " takes one path");
            return true;
        }
        const Word& named = line.fields[1].front();
        const std::string path = beside(line.file, named.text);
        if (!is_folder) {
            if (!is_optional || access_.exists(path)) {
                include_file(path, named, line, depth);
            }
            return true;
        }
        const auto files = access_.list(path);
        if (!files.value) {
            complain(line, named.column, "the folder \"" + path + "\" " + files.problem);
            return true;
        }
        for (const std::string& file : *files.value) {
            include_file(file, named, line, depth);
        }
        return true;
    }

    void include_file(const std::string& path, const Word& named, const AuthLine& line, int depth) {
        if (const auto text = open(path, named, line, depth)) {
            read(*text, path, depth + 1);
        }
    }

    std::optional<std::string> open(const std::string& path,
                                    const Word& named,
                                    const AuthLine& line,
                                    int depth) {
        if (depth >= kDepthMax) {
            complain(line,
                     named.column,
                     "files are nested more than " + std::to_string(kDepthMax) + " deep");
            return std::nullopt;
        }
        auto text = access_.read(path);
        if (!text.value) {
            complain(line, named.column, "the file \"" + path + "\" " + text.problem);
        }
        return std::move(text.value);
    }

    /// Puts the words of the file behind every "@file" in its place.
    WordList expand(WordList words, const AuthLine& line, int depth) {
        WordList all;
        const unsigned column = words.front().column;
        for (Word& word : words) {
            if (word.begins_with('@')) {
                add_listed(all, word, line, depth);
            } else {
                all.push_back(std::move(word));
            }
        }
        if (all.empty()) {
            all.push_back({{}, true, column});  // stands for nobody
        }
        return all;
    }

    void add_listed(WordList& all, const Word& named, const AuthLine& line, int depth) {
        const std::string path = beside(line.file, named.text.substr(1));
        const auto text = open(path, named, line, depth);
        std::string_view rest = text ? std::string_view{*text} : std::string_view{};
        unsigned number = 0;
        while (!rest.empty()) {
            const unsigned first = number + 1;
            const std::string listed = next_line(rest, number);
            AuthLine inner{path, first, split(listed, path, first)};
            for (WordList& field : inner.fields) {
                for (Word& found : expand(std::move(field), inner, depth + 1)) {
                    found.column = named.column;  // where the line that is read names the file
                    all.push_back(std::move(found));
                }
            }
        }
    }

    FileAccess& access_;
    AuthLines& into_;
};

}  // namespace

AuthLines read_auth_lines(std::string_view text, const std::string& path, FileAccess& access) {
    AuthLines result;
    Reader{access, result}.read(text, path, 0);
    return result;
}

}  // namespace weir::conf
