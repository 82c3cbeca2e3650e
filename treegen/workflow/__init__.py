"""Operations shared by the commands and the review. Nothing here prints or draws."""
