#include "pool/ticket_book.hpp"

#include <doctest/doctest.h>

#include <string>

using weir::pool::NameBook;

TEST_CASE("name book: names, and the one without") {
    NameBook<int> book{3};
    CHECK(*book.find("") == 0);
    CHECK(book.find("a") == nullptr);
    book.bind("", 7);
    book.bind("a", 1);
    book.bind("a", 2);
    CHECK(*book.find("") == 7);
    CHECK(*book.find("a") == 2);
    book.clear();
    CHECK(*book.find("") == 0);
    CHECK(book.find("a") == nullptr);
}

TEST_CASE("name book: as many as it may hold") {
    NameBook<int> book{2};
    book.bind("a", 1);
    book.bind("b", 2);
    book.bind("b", 3);
    CHECK(book.find("a") != nullptr);
    book.bind("c", 4);
    CHECK(book.find("a") == nullptr);
    CHECK(*book.find("b") == 3);
    CHECK(*book.find("c") == 4);
}

TEST_CASE("name book: two names that are one to PostgreSQL") {
    NameBook<int> book{8};
    const std::string front(63, 'x');
    book.bind(front + "a", 1);
    book.bind(front + "b", 2);
    CHECK(*book.find(front + "a") == 2);
    CHECK(*book.find(front) == 2);
}
