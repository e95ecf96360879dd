{{ config(alias='surveys') }}
-- Answers to surveys.
with responses as (
    select * from {{ landed('surveys') }}
    qualify row_number() over (partition by response_id order by delivered desc) = 1
)

select
    response_id as survey_id,
    customer_no as customer_id,
    answered_at as responded_at,
    survey as kind,
    score,
    reason,
    touchpoint
from responses
