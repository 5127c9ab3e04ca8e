# The templates as a C file. Parts that others include come first.
set(MX_PAGES _head.html _foot.html terms.html registration_token.html recaptcha.html auth_success.html registration.html
    registration.txt registration_success.html registration_failure.html add_threepid.html add_threepid.txt
    add_threepid_success.html add_threepid_failure.html password_reset.html password_reset.txt
    password_reset_confirmation.html password_reset_success.html password_reset_failure.html already_in_use.html
    already_in_use.txt unsubscribed.html mail.css _base.html notif.html notif.txt room.html room.txt notif_mail.html
    notif_mail.txt media_upload_limit_exceeded.html notice_expiry.html notice_expiry.txt account_renewed.html
    account_previously_renewed.html invalid_token.html)
list(TRANSFORM MX_PAGES PREPEND "${CMAKE_CURRENT_LIST_DIR}/templates/" OUTPUT_VARIABLE MX_PAGES_FILES)
list(JOIN MX_PAGES "," page_names)
set(MX_PAGES_C ${CMAKE_CURRENT_BINARY_DIR}/page_files.c)
add_custom_command(OUTPUT ${MX_PAGES_C}
    COMMAND ${CMAKE_COMMAND} -DOUT=${MX_PAGES_C} -DDIR=${CMAKE_CURRENT_LIST_DIR}/templates -DNAMES=${page_names} -DSUFFIX=
            -DHEADER=pages/pages.h -DENTRY=mx_page_file -DTABLE=mx_page_files -P ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake
    DEPENDS ${MX_PAGES_FILES} ${PROJECT_SOURCE_DIR}/cmake/EmbedFiles.cmake VERBATIM)
list(APPEND MATRIX_SOURCES ${MX_PAGES_C})
