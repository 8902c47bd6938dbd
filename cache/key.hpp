#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::cache {

/// Borrowed: what two requests share when one's result may be given to the other.
///
/// Equal only where all bytes are; the hash is keyed anew in every process and says nothing to
/// another one.
struct KeyView {
    std::string_view bytes;
    std::uint64_t hash = 0;
    std::uint32_t text_begin = 0;  ///< where in `bytes` the statement's text is
    std::uint32_t text_size = 0;

    /// @return the part given to KeyBuilder::add_text()
    [[nodiscard]] std::string_view text() const { return bytes.substr(text_begin, text_size); }

    [[nodiscard]] bool operator==(const KeyView& other) const {
        return hash == other.hash && bytes == other.bytes;
    }
};

/// For the hash tables of the standard library.
struct KeyHash {
    [[nodiscard]] std::size_t operator()(const KeyView& key) const { return key.hash; }
};

/// A key that owns its bytes.
class Key {
public:
    explicit Key(KeyView key) : bytes_{key.bytes}, view_{key} {}

    [[nodiscard]] KeyView view() const {
        KeyView view = view_;
        view.bytes = bytes_;
        return view;
    }

private:
    std::string bytes_;
    KeyView view_;  // but for its bytes
};

/// @return tells requests of one statement apart, nearly always; another in every process
[[nodiscard]] std::uint64_t hash_of(std::string_view text, std::string_view values);

/// Puts a key together, part by part.
///
/// Every part begins with its kind and its length, so the bytes can be read in one way only: no two
/// different lists of parts give the same key, whatever is in them. Meant to be kept and used
/// again: then nothing is allocated.
class KeyBuilder {
public:
    void clear();

    KeyBuilder& add(std::string_view part);
    /// The statement's text; once a key. Commands that name a pattern look here.
    KeyBuilder& add_text(std::string_view text);
    /// A value that is NULL: another than one that is empty.
    KeyBuilder& add_null();
    KeyBuilder& add_number(std::uint64_t number);
    /// The next `count` parts belong together.
    KeyBuilder& add_list(std::size_t count);

    /// @return valid until the builder is changed
    [[nodiscard]] KeyView view() const;

private:
    void add_head(char kind, std::uint64_t number);

    std::string bytes_;
    std::uint32_t text_begin_ = 0;
    std::uint32_t text_size_ = 0;
};

}  // namespace weir::cache
