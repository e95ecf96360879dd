-- Articles, films and pages that customers look at.
with library as (
    select * from landed.content
)

select
    content_id,
    title as name,
    content_type,
    buying_stage
from library
